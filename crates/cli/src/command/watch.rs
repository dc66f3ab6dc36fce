//! `watch`: the live books of one symbol, as a ladder on a terminal and as NDJSON elsewhere.

mod feed;
mod ladder;
mod lines;
mod print;
mod writer;

use std::io::IsTerminal;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use venuekit_driver::{Handle, Options, Runner};
use venuekit_session::{Config, Session, Want};
use venuekit_venue::{Channel, FaultKind};

use self::feed::{Feed, Told};
use self::ladder::Screen;
use self::lines::Style;
use self::writer::Writer;
use super::target::{SIM, Target, Targets, Where};
use super::words;
use crate::exit::{Exit, Failure, OrExit, Outcome};
use crate::log;
use crate::signals::Signals;

/// Troubles in a row, before anything was live, after which a host counts as unreachable.
const TROUBLES: u32 = 3;

/// What the feeds tell besides lines; each venue says little before it is live, and nothing after.
const TOLD_QUEUE: usize = 256;

/// Watch the live books of a symbol: a ladder on a terminal, NDJSON elsewhere.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  venuekit watch BTC/USDT
  venuekit watch BTC/USDT:USDT -v doex -v duedex --depth 5
  venuekit watch BTCUSD -v duedex --ndjson --count 10
  venuekit watch BTC/USDT -v doex --env live | jq -c '[.seq, .bids[0].price]'
  venuekit watch ETH/USDT -v doex --rest http://127.0.0.1:9001 --stream ws://127.0.0.1:9001

A symbol may be written as BTC/USDT, BTC-USDT or as the venue spells it. Each line is a `book_change` (`isSnapshot`
first, then absolute amounts, 0 removes), with --depth a `book_snapshot` of the best levels, or a `disconnect` when
the book lost its sequence: what was printed of it before is not to be trusted any more.
Exit codes: 2 for an unknown symbol, 5 for a host that cannot be reached, 130 after Ctrl-C.")]
pub(crate) struct Args {
    /// The symbol, in any usual spelling.
    symbol: String,
    /// One product, where a venue has several.
    #[arg(long)]
    product: Option<String>,
    /// Levels a side.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    depth: Option<u16>,
    #[command(flatten)]
    place: Where,
    /// How long a book may take to become live.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// End after that many lines.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Print JSON objects, one a line, on a terminal too.
    #[arg(long)]
    ndjson: bool,
}

pub(crate) fn run(args: Args) -> Outcome {
    super::block_on(watch(args))
}

async fn watch(args: Args) -> Outcome {
    let mut signals = Signals::listen()?;
    let targets = Targets::of(&args.place, SIM).await?;
    let is_drawn = std::io::stdout().is_terminal() && log::can_draw() && !args.ndjson && args.count.is_none();
    let style = match (is_drawn, args.depth) {
        (true, _) => Style::Nothing,
        (false, None) => Style::Changes,
        (false, Some(depth)) => Style::Tops(usize::from(depth)),
    };
    let (told, mut heard) = mpsc::channel(TOLD_QUEUE);
    let (writer, mut written) = Writer::start(args.count);
    let mut running = JoinSet::new();
    let mut handles = Vec::new();
    for (index, target) in targets.list.iter().enumerate() {
        let config = Config {
            wants: vec![Want {
                product: args.product.clone(),
                symbol: args.symbol.clone(),
                channel: Channel::Book,
            }],
            hosts: target.hosts.clone(),
            environment: target.environment.clone(),
            seed: args.place.seed,
            ..Config::default()
        };
        let session = Session::new(target.venue.clone(), config).or_exit(Exit::Usage)?;
        let feed = Feed::new(index, target.id, style, writer.lines(), told.clone());
        let options = Options { tls: targets.tls.clone(), ..Options::default() };
        let (runner, handle) = Runner::new(session, feed, options).or_exit(Exit::Unexpected)?;
        running.spawn(runner.run());
        handles.push(handle);
    }
    let mut screen = is_drawn.then(|| Screen::enter(args.depth.map(usize::from)));
    let mut waiting = Waiting::new(&args.symbol, &targets.list);
    let deadline = tokio::time::sleep_until(Instant::now() + Duration::from_secs(args.timeout));
    tokio::pin!(deadline);
    let mut frames = tokio::time::interval(ladder::FRAME);
    let outcome = loop {
        tokio::select! {
            exit = signals.ended() => break Ok(exit),
            end = &mut written => break end.unwrap_or(Ok(Exit::Ok)),
            Some(told) = heard.recv() => {
                if let Err(failure) = waiting.hear(told) {
                    break Err(failure);
                }
            }
            () = &mut deadline, if !waiting.is_over() => {
                if let Err(failure) = waiting.time_is_up() {
                    break Err(failure);
                }
            }
            _ = frames.tick(), if screen.is_some() => {
                if let Some(screen) = &mut screen && screen.draw(&targets.list, &handles).await?.is_break() {
                    break Ok(Exit::Ok);
                }
            }
        }
    };
    drop(screen);
    say_goodbye(handles, running).await;
    outcome
}

/// Lets every connection close in order.
async fn say_goodbye(handles: Vec<Handle>, mut running: JoinSet<(Session, Feed)>) {
    for handle in handles {
        // One that has ended already needs no telling.
        let _ = handle.stop().await;
    }
    while running.join_next().await.is_some() {}
}

/// What is still awaited of each venue before its book was live once.
struct Waiting<'a> {
    symbol: &'a str,
    venues: Vec<Awaited<'a>>,
    is_up: bool,
}

struct Awaited<'a> {
    target: &'a Target,
    is_live: bool,
    /// The symbols it has instead.
    unknown: Option<Vec<String>>,
    troubles: u32,
    last: Option<(FaultKind, String)>,
}

impl Awaited<'_> {
    fn is_settled(&self) -> bool {
        self.is_live || self.unknown.is_some()
    }

    fn give_up(&self) -> Failure {
        let (kind, why) = match &self.last {
            Some((kind, why)) => (*kind, why.as_str()),
            None => (FaultKind::Transport, "nothing came"),
        };
        let exit = match kind {
            FaultKind::RateLimited | FaultKind::Banned => Exit::Limited,
            _ => Exit::Unreachable,
        };
        let Target { id, origins, .. } = self.target;
        Failure::say(
            exit,
            format_args!(
                "no live book from {id} at {origins}: {why}; leave it out with -v, or name other hosts"
            ),
        )
    }
}

impl<'a> Waiting<'a> {
    fn new(symbol: &'a str, targets: &'a [Target]) -> Waiting<'a> {
        let awaited = |target| Awaited { target, is_live: false, unknown: None, troubles: 0, last: None };
        Waiting { symbol, venues: targets.iter().map(awaited).collect(), is_up: false }
    }

    fn hear(&mut self, told: Told) -> Result<(), Failure> {
        match told {
            Told::Live { venue } => self.venues[venue].is_live = true,
            Told::Ambiguous { venue, candidates } => {
                let (symbol, id, several) =
                    (self.symbol, self.venues[venue].target.id, candidates.join(" or "));
                let message = format_args!("{symbol:?} is ambiguous at {id}; write {several}");
                return Err(Failure::say(Exit::Usage, message));
            }
            Told::Unknown { venue, names } => {
                self.venues[venue].unknown = Some(names);
                if self.venues.iter().all(|venue| venue.unknown.is_some()) {
                    return Err(self.unknown_symbol());
                }
                tracing::info!(venue = self.venues[venue].target.id, "does not list {}", self.symbol);
            }
            Told::Trouble { venue, kind, why } => {
                let venue = &mut self.venues[venue];
                venue.troubles += 1;
                venue.last = Some((kind, why));
                if !venue.is_settled() && venue.troubles >= TROUBLES {
                    return Err(venue.give_up());
                }
            }
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.is_up || self.venues.iter().all(Awaited::is_settled)
    }

    fn time_is_up(&mut self) -> Result<(), Failure> {
        self.is_up = true;
        match self.venues.iter().find(|venue| !venue.is_settled()) {
            Some(late) => Err(late.give_up()),
            None => Ok(()),
        }
    }

    fn unknown_symbol(&self) -> Failure {
        let names =
            || self.venues.iter().filter_map(|venue| venue.unknown.as_ref()).flatten().map(String::as_str);
        let near = words::nearest(self.symbol, names());
        let mut message = format!("unknown symbol {:?}", self.symbol);
        if !near.is_empty() {
            message += &format!("; did you mean {}?", near.join(" or "));
        }
        for venue in &self.venues {
            let listed = venue.unknown.as_deref().unwrap_or_default();
            message += &format!("\n  {} has {}", venue.target.id, listed.join(", "));
        }
        Failure::say(Exit::Usage, message)
    }
}
