//! `gateway`: the one resident process that holds trade keys. Orders, halts and arming come to its socket.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use rust_decimal::Decimal;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use venuekit_driver::ClientTls;
use venuekit_driver::gateway::{Gateway, HaltBy, HaltToken, HookSecret, Position, Setup, Switch};
use venuekit_session::Config;
use venuekit_session::gate::{Caps, Notional};
use venuekit_store::SwitchRow;

use super::home::{self, Home};
use super::reader;
use super::target::{SIM, Target, Targets, Where};
use crate::exit::{Exit, Failure, OrExit, Outcome};
use crate::out;
use crate::signals::Signals;

/// Run the gateway that orders leave by: it starts halted, and holds the keys, the caps and the kill switch.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("halt_by").multiple(true), after_help = "\
Examples:
  venuekit gateway --env sim
  venuekit gateway --env live -v doex --max-order USDT=500 --max-day USDT=5000 --collar 0.02
  venuekit gateway --env live --halt-http 127.0.0.1:9470 --halt-token /run/venuekit/token --max-order USDT=500 --max-day USDT=5000
  venuekit gateway --env live --halt-db /var/lib/risk/switch.db --max-order USDT=500 --max-day USDT=5000

It starts halted: `venuekit arm --for 8h` lets orders leave. What stops it: `venuekit halt`, a file named `halt` in its
directory, SIGUSR1, POST /halt with the token, a signed POST /webhook, the row venuekit_switch of a database, a cap that
is reached, and any doubt about its own state or that row.
Doex has a countdown that cancels everything when the gateway dies; DueDEX has none.
Ends on SIGINT (exit code 130) or SIGTERM (143); open orders stay open.")]
pub(crate) struct Args {
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    home: Home,
    #[command(flatten)]
    limits: Limits,
    /// Offer `POST /halt` or `POST /webhook` on this loopback address; it can halt and nothing else.
    #[arg(long, value_name = "ADDR", requires = "halt_by")]
    halt_http: Option<SocketAddr>,
    /// The file with the token that `POST /halt` needs: at least 128 bits, readable by you alone.
    #[arg(long, value_name = "FILE", requires = "halt_http", group = "halt_by")]
    halt_token: Option<PathBuf>,
    /// The file with the secret whose Standard Webhooks messages halt at `POST /webhook`: whsec_…, readable by you alone.
    #[arg(long, value_name = "FILE", requires = "halt_http", group = "halt_by")]
    halt_webhook: Option<PathBuf>,
    #[command(flatten)]
    switch: SwitchArgs,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// The row of a database that can halt it: `venuekit_switch`, with the id 1 and `halt` 0 or 1.
#[derive(Clone, Debug, clap::Args)]
struct SwitchArgs {
    /// Obey the row of this SQLite file: no order leaves unless it is there and says `halt` 0.
    #[arg(long, value_name = "FILE")]
    halt_db: Option<PathBuf>,
    /// Obey the row of the Postgres server that VENUEKIT_CLUSTER_DSN_FILE, or PGHOST and its companions, name.
    #[cfg(feature = "postgres")]
    #[arg(long)]
    halt_pg: bool,
}

impl SwitchArgs {
    fn switches(&self) -> Result<Vec<Box<dyn Switch>>, Failure> {
        let mut all: Vec<Box<dyn Switch>> = Vec::new();
        if let Some(path) = &self.halt_db {
            let name = format!("the row venuekit_switch of {}", path.display());
            all.push(Box::new(Row { name, row: SwitchRow::File(path.clone()) }));
        }
        #[cfg(feature = "postgres")]
        if self.halt_pg {
            use venuekit_store::postgres::{Dsn, SwitchLink};
            let dsn = Dsn::from_variables(|name| std::env::var(name).ok()).or_exit(Exit::Config)?;
            let name = format!("the row venuekit_switch of {dsn}");
            let row = SwitchRow::Server(Box::new(SwitchLink::new(&dsn).or_exit(Exit::Config)?));
            all.push(Box::new(Row { name, row }));
        }
        Ok(all)
    }
}

/// A row, as the gateway obeys it.
struct Row {
    name: String,
    row: SwitchRow,
}

impl Switch for Row {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn read(&mut self) -> Result<Position, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.row.read()?.map_or(Position::Run, Position::Halt))
    }
}

/// The caps, each of which halts when it is reached.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Limits {
    /// The most that one order may be worth, by the asset its price is in; may be repeated.
    #[arg(long, value_name = "ASSET=N", value_parser = amount)]
    max_order: Vec<(String, Decimal)>,
    /// The most that a day's orders may be worth, by asset; may be repeated.
    #[arg(long, value_name = "ASSET=N", value_parser = amount)]
    max_day: Vec<(String, Decimal)>,
    /// The most orders in any second.
    #[arg(long, value_name = "N", default_value_t = 5)]
    max_rate: u16,
    /// The most open orders.
    #[arg(long, value_name = "N", default_value_t = 20)]
    max_open: usize,
    /// How far a price may be from the market, as a fraction of it.
    #[arg(long, value_name = "FRACTION", default_value = "0.1", value_parser = fraction)]
    collar: Decimal,
    /// The span of the venue's countdown, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(5..=600))]
    countdown: u64,
}

fn amount(text: &str) -> Result<(String, Decimal), String> {
    let wrong = || "write it like USDT=500".to_owned();
    let (asset, number) = text.split_once('=').ok_or_else(wrong)?;
    let number = Decimal::from_str(number).map_err(|_| wrong())?;
    if asset.is_empty() || number <= Decimal::ZERO {
        return Err(wrong());
    }
    Ok((asset.to_ascii_uppercase(), number))
}

fn fraction(text: &str) -> Result<Decimal, String> {
    let number = Decimal::from_str(text).ok().filter(|n| (Decimal::ZERO..=Decimal::ONE).contains(n));
    number.ok_or_else(|| "write a fraction of the price, such as 0.05".to_owned())
}

impl Limits {
    /// The caps for an environment: the simulator has some by itself, nowhere else has any that nobody chose.
    fn caps(&self, environment: &str) -> Result<Caps, Failure> {
        let mut notional = std::collections::BTreeMap::new();
        if environment == SIM {
            let each = Notional { order: Decimal::from(10_000), day: Decimal::from(100_000) };
            notional.extend(["USDT", "USD"].map(|asset| (asset.to_owned(), each)));
        }
        for (asset, order) in &self.max_order {
            let day = self.max_day.iter().find(|(known, _)| known == asset).map(|(_, day)| *day);
            let day = day.ok_or_else(|| {
                Failure::say(
                    Exit::Usage,
                    format_args!("--max-order {asset} needs --max-day {asset}=N beside it"),
                )
            })?;
            notional.insert(asset.clone(), Notional { order: *order, day });
        }
        if let Some((asset, _)) =
            self.max_day.iter().find(|(asset, _)| !self.max_order.iter().any(|(known, _)| known == asset))
        {
            let message = format!("--max-day {asset} needs --max-order {asset}=N beside it");
            return Err(Failure::say(Exit::Usage, message));
        }
        Ok(Caps {
            orders_per_second: self.max_rate,
            open_orders: self.max_open,
            collar: self.collar,
            notional,
        })
    }
}

/// Sets a gateway up for the venues that the flags name.
pub(crate) fn setup<'a>(
    targets: impl IntoIterator<Item = &'a Target>,
    tls: ClientTls,
    dir: PathBuf,
    environment: &str,
    seed: u64,
    limits: Option<&Limits>,
) -> Result<Setup, Failure> {
    let mut venues = Vec::new();
    for target in targets {
        let config = Config {
            hosts: target.hosts.clone(),
            environment: target.environment.clone(),
            credentials: Some(reader::credentials_of(target)?),
            seed,
            ..Config::default()
        };
        venues.push((target.venue.clone(), config));
    }
    let mut setup = Setup { venues, tls, ..Setup::new(dir, environment) };
    if let Some(limits) = limits {
        setup.caps = limits.caps(environment)?;
        setup.countdown = Duration::from_secs(limits.countdown);
    }
    Ok(setup)
}

/// The environment of the gateway that flags speak of.
pub(crate) fn environment(place: &Where) -> Result<String, Failure> {
    let fallback = reader::environment(place)?;
    Ok(place.env.clone().unwrap_or_else(|| fallback.to_owned()))
}

pub(crate) fn run(args: Args) -> Outcome {
    super::block_on(serve(args))
}

#[derive(Serialize)]
struct Shown<'a> {
    environment: &'a str,
    dir: String,
    venues: Vec<&'static str>,
    mode: String,
    halt_http: Option<SocketAddr>,
}

async fn serve(args: Args) -> Outcome {
    let mut signals = Signals::listen()?;
    let mut halted = signal(SignalKind::user_defined1()).or_exit(Exit::Unexpected)?;
    let environment = environment(&args.place)?;
    let dir = args.home.dir(&environment)?;
    let by = HaltBy {
        token: args.halt_token.as_deref().map(HaltToken::read).transpose().or_exit(Exit::Config)?,
        webhook: args.halt_webhook.as_deref().map(HookSecret::read).transpose().or_exit(Exit::Config)?,
    };
    let switches = args.switch.switches()?;
    // Checked before anything is served or spoken to.
    args.limits.caps(&environment)?;
    let targets = reader::keyed(&args.place, Targets::of(&args.place, &environment).await?)?;
    let setup = setup(
        &targets.list,
        targets.tls.clone(),
        dir.clone(),
        &environment,
        args.place.seed,
        Some(&args.limits),
    )?;
    let mut gateway = home::config(Gateway::start(setup).await)?;
    for switch in switches {
        home::config(gateway.obey(switch))?;
    }
    home::config(gateway.serve())?;
    let halt_http = match args.halt_http {
        Some(listen) => Some(gateway.serve_halt(listen, by).await.or_exit(Exit::Config)?),
        None => None,
    };
    let status = gateway.handle().status();
    let shown = Shown {
        environment: &environment,
        dir: dir.display().to_string(),
        venues: targets.list.iter().map(|target| target.id).collect(),
        mode: status.mode,
        halt_http,
    };
    // Whether anybody reads it makes no difference to those who connect.
    let _ = if args.json {
        out::json(&shown)?
    } else {
        let why = status.why.unwrap_or_default();
        out::text(&format!(
            "gateway for {environment} in {}: {}, {why}; `venuekit arm --for 8h` lets orders leave\n",
            shown.dir, shown.mode
        ))?
    };
    for product in &status.report.products {
        eprintln!("{} {}: if this process dies, {}", product.venue, product.product, product.dead_man);
    }
    let exit = loop {
        tokio::select! {
            exit = signals.ended() => break exit,
            Some(()) = halted.recv() => {
                gateway.handle().halt("SIGUSR1");
                eprintln!("halted by SIGUSR1; cancelling everything");
            }
        }
    };
    gateway.stop().await;
    Ok(exit)
}
