//! From the keys of the file to what the worker does: every name is checked against what there is.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;
use venuekit_session::{HostOverride, Want};
use venuekit_store::Retention;
use venuekit_venue::{Channel, Interval, Venue};

use super::error::{ConfigError, Source, unknown};
use super::{
    ClusterConfig, Config, FanoutConfig, Private, SIM, SimSettings, SinkConfig, SinkKind, VenueConfig, file,
};

/// A smaller spool could not hold what one batch brings.
const SPOOL_BYTES_MIN: u64 = 1 << 20;

/// Each bucket costs a session of its own.
const BUCKETS_MAX: u16 = 256;
/// A shorter lease would end between two renewals of a busy machine; a longer one leaves markets alone for long.
const LEASE_SECONDS: std::ops::RangeInclusive<u64> = 3..=60;

/// The public channels that are followed when none are named.
const DEFAULT_CHANNELS: [Channel; 4] =
    [Channel::Book, Channel::Trades, Channel::Ticker, Channel::Candles(Interval::M1)];

/// The venues that are followed when none are named: those that nobody needs a live host for.
const DEMO: [&str; 2] = ["doex", "duedex"];

/// What a list of wishes is built from, each beside its place in the file.
type Names = Vec<Spanned<String>>;

pub(super) fn default_sim() -> Config {
    let venues = DEMO.map(|id| {
        let venue = venuekit_registry::venue(id).expect("the registry knows them");
        VenueConfig {
            id: id.to_owned(),
            wants: stars(venue.as_ref()),
            venue,
            environment: SIM.to_owned(),
            hosts: Vec::new(),
            private: Private::Auto,
        }
    });
    Config {
        venues: venues.into(),
        sink: SinkConfig::default(),
        health: None,
        tape: None,
        ca: None,
        sim: SimSettings::default(),
        retention: Retention::default(),
        cluster: ClusterConfig::default(),
        fanout: None,
    }
}

/// Every market on the usual channels.
fn stars(venue: &dyn Venue) -> Vec<Want> {
    let offered = DEFAULT_CHANNELS.into_iter().filter(|c| venue.specs().iter().any(|spec| spec.offers(*c)));
    offered.map(|channel| Want::new("*", channel)).collect()
}

pub(super) fn from_toml(source: Source<'_>, directory: &Path) -> Result<Config, ConfigError> {
    let file: file::File = toml::from_str(source.text).map_err(|error| source.parse_error(&error))?;
    let mut config = default_sim();
    if !file.venues.is_empty() {
        let enabled = file.venues.iter().filter(|(_, venue)| venue.enabled);
        config.venues =
            enabled.map(|(id, keys)| venue(source, directory, id, keys)).collect::<Result<_, _>>()?;
        if config.venues.is_empty() {
            return Err(source.error(0..0, "no venue is enabled; set enabled = true on one"));
        }
    }
    let path_of = |path: PathBuf| directory.join(path);
    let positive = |value: &Option<Spanned<usize>>, usual: usize, key: &str| match value {
        None => Ok(usual),
        Some(value) if *value.get_ref() > 0 => Ok(*value.get_ref()),
        Some(value) => Err(source.error(value.span(), format!("{key} must be at least 1"))),
    };
    if let Some(kind) = file.sink.kind {
        config.sink.kind = *kind.get_ref();
        if config.sink.kind == SinkKind::Postgres && !cfg!(feature = "postgres") {
            let message = "this build knows no server; build it with --features postgres";
            return Err(source.error(kind.span(), message));
        }
    }
    if let Some(dsn) = file.sink.dsn {
        let message = "no server is named in a config, where its password would be read by others; set \
                       VENUEKIT_CLUSTER_DSN_FILE, or PGHOST and its companions";
        return Err(source.error(dsn.span(), message));
    }
    if let Some(bytes) = file.sink.spool_bytes {
        if *bytes.get_ref() < SPOOL_BYTES_MIN {
            let message = format!("spool_bytes must be at least {SPOOL_BYTES_MIN}");
            return Err(source.error(bytes.span(), message));
        }
        config.sink.spool_bytes = *bytes.get_ref();
    }
    if let Some(path) = file.sink.path {
        config.sink.path = path_of(path);
        config.sink.is_default_path = false;
    }
    config.sink.batch_rows = positive(&file.sink.batch_rows, config.sink.batch_rows, "batch_rows")?;
    config.sink.queue_rows = positive(&file.sink.queue_rows, config.sink.queue_rows, "queue_rows")?;
    if let Some(ms) = file.sink.batch_ms {
        if *ms.get_ref() > 1_000 {
            return Err(source.error(ms.span(), "batch_ms must be at most 1000, so that a stop is quick"));
        }
        config.sink.batch_for = Duration::from_millis(*ms.get_ref());
    }
    config.health = file.health.listen;
    config.tape = file.tape.path.map(path_of);
    if let Some(ca) = file.tls.ca {
        config.ca = Some(read_beside(source, directory, &ca)?);
    }
    config.retention = retention(source, &file.retain)?;
    config.cluster = cluster(source, file.cluster)?;
    config.fanout = file.fanout.map(|keys| fanout(source, directory, &keys)).transpose()?;
    let usual = SimSettings::default();
    config.sim = SimSettings {
        rate: file.sim.rate.unwrap_or(usual.rate),
        seed: file.sim.seed.unwrap_or(usual.seed),
        faults: file.sim.faults.unwrap_or(usual.faults),
        truth: file.sim.truth.map(path_of),
        truth_every: match file.sim.truth_every {
            None => usual.truth_every,
            Some(every) if *every.get_ref() > 0 => *every.get_ref(),
            Some(every) => return Err(source.error(every.span(), "truth_every must be at least 1")),
        },
        tls: file.sim.tls.unwrap_or(usual.tls),
    };
    Ok(config)
}

/// How the work is cut.
fn cluster(source: Source<'_>, keys: file::Cluster) -> Result<ClusterConfig, ConfigError> {
    let mut cluster = ClusterConfig::default();
    if let Some(buckets) = keys.buckets {
        if buckets.get_ref().get() > BUCKETS_MAX {
            return Err(source.error(buckets.span(), format!("buckets must be at most {BUCKETS_MAX}")));
        }
        cluster.buckets = *buckets.get_ref();
    }
    if let Some(address) = keys.address {
        if address.get_ref().trim().is_empty() {
            return Err(source.error(address.span(), "an empty address; leave it out for the server's view"));
        }
        cluster.address = Some(address.into_inner());
    }
    if let Some(seconds) = keys.lease_seconds {
        if !LEASE_SECONDS.contains(seconds.get_ref()) {
            let (from, to) = (LEASE_SECONDS.start(), LEASE_SECONDS.end());
            return Err(source.error(seconds.span(), format!("lease_seconds must be {from} to {to}")));
        }
        cluster.lease = Duration::from_secs(*seconds.get_ref());
    }
    Ok(cluster)
}

/// The rules of `[retain]`: those of all venues, then those of one each.
fn retention(source: Source<'_>, keys: &file::Retain) -> Result<Retention, ConfigError> {
    let mut retention = Retention::default();
    let mut add = |venue: Option<&str>, spans: [&Option<Spanned<String>>; Retention::TABLES.len()]| {
        for (table, text) in Retention::TABLES.into_iter().zip(spans) {
            let Some(text) = text else { continue };
            retention.keep(table, venue, span_of(source, text)?);
        }
        Ok(())
    };
    let file::Retain { trade, book_change, ticker, candle, order_state, fill, movement, venues } = keys;
    add(None, [trade, book_change, ticker, candle, order_state, fill, movement])?;
    for (id, keys) in venues {
        let known: Vec<&str> = venuekit_registry::ids().collect();
        if !known.contains(&id.get_ref().as_str()) {
            return Err(source.error(id.span(), unknown("venue", id.get_ref(), &known)));
        }
        let file::RetainVenue { trade, book_change, ticker, candle, order_state, fill, movement } = keys;
        add(Some(id.get_ref()), [trade, book_change, ticker, candle, order_state, fill, movement])?;
    }
    Ok(retention)
}

/// The bus of `[fanout]`.
fn fanout(source: Source<'_>, directory: &Path, keys: &file::Fanout) -> Result<FanoutConfig, ConfigError> {
    let file::Bus::Nats = keys.kind.get_ref();
    if !cfg!(feature = "nats") {
        let message = "this build knows no bus; build it with --features nats";
        return Err(source.error(keys.kind.span(), message));
    }
    if keys.servers.get_ref().iter().any(|server| server.contains('@')) {
        let message =
            "an address holds a user or a token, which others can read; name a file with credentials = \"…\"";
        return Err(source.error(keys.servers.span(), message));
    }
    if keys.servers.get_ref().is_empty() {
        return Err(source.error(keys.servers.span(), "no server is named; name at least one"));
    }
    Ok(FanoutConfig {
        servers: keys.servers.get_ref().clone(),
        stream: keys.stream.clone().unwrap_or_else(|| "venuekit".to_owned()),
        credentials: keys.credentials.as_ref().map(|path| directory.join(path)),
        max_age: match &keys.max_age {
            None => Duration::from_secs(24 * 3_600),
            Some(text) => span_of(source, text)?,
        },
        bytes_max: keys.bytes_max,
    })
}

fn span_of(source: Source<'_>, text: &Spanned<String>) -> Result<Duration, ConfigError> {
    span(text.get_ref()).ok_or_else(|| {
        let message = format!("{:?} is no span; write it as \"90d\" or \"12h\"", text.get_ref());
        source.error(text.span(), message)
    })
}

/// Reads `90d` or `12h`: whole days or hours, at least one.
fn span(text: &str) -> Option<Duration> {
    let (count, hours) = match text.strip_suffix('d') {
        Some(days) => (days, 24),
        None => (text.strip_suffix('h')?, 1),
    };
    let count: u64 = count.parse().ok().filter(|count| *count > 0)?;
    Some(Duration::from_secs(count.checked_mul(hours * 3_600)?))
}

fn venue(
    source: Source<'_>,
    directory: &Path,
    id: &Spanned<String>,
    keys: &file::Venue,
) -> Result<VenueConfig, ConfigError> {
    let id_error = |error: &dyn std::fmt::Display| source.error(id.span(), error.to_string());
    let venue: Arc<dyn Venue> = match &keys.profile {
        None => venuekit_registry::venue(id.get_ref()).map_err(|error| id_error(&error))?,
        Some(profile) => {
            let text = read_beside(source, directory, profile)?;
            venuekit_registry::with_profile(id.get_ref(), &text).map_err(|error| match error {
                venuekit_registry::WithProfileError::Unknown(error) => id_error(&error),
                error => {
                    let path = directory.join(profile.get_ref());
                    source.error(profile.span(), format!("{}: {error}", path.display()))
                }
            })?
        }
    };
    let mut hosts = Vec::new();
    hosts.extend(origins(source, None, keys.rest.as_ref(), keys.stream.as_ref())?);
    let known: Vec<&str> = venue.specs().iter().map(|spec| spec.product.as_str()).collect();
    for (name, product) in &keys.products {
        if !known.contains(&name.get_ref().as_str()) {
            return Err(source.error(name.span(), unknown("product", name.get_ref(), &known)));
        }
        hosts.extend(origins(source, Some(name), product.rest.as_ref(), product.stream.as_ref())?);
    }
    let environment = environment(source, keys, venue.as_ref())?;
    if keys.private == Private::Demo && (environment != SIM || !hosts.is_empty()) {
        return Err(source.error(
            id.span(),
            "private = \"demo\" is the embedded simulator's account; leave environment and hosts out",
        ));
    }
    let wants = wants(source, keys, venue.as_ref())?;
    if wants.is_empty() {
        return Err(source.error(id.span(), "nothing is followed; name symbols and channels"));
    }
    let id = venue.specs()[0].venue.clone();
    Ok(VenueConfig { id, venue, environment, hosts, wants, private: keys.private })
}

/// Reads a file that the config names; mistakes are at the place that names it.
fn read_beside(source: Source<'_>, directory: &Path, name: &Spanned<PathBuf>) -> Result<String, ConfigError> {
    let path = directory.join(name.get_ref());
    std::fs::read_to_string(&path)
        .map_err(|error| source.error(name.span(), format!("{} cannot be read: {error}", path.display())))
}

fn environment(source: Source<'_>, keys: &file::Venue, venue: &dyn Venue) -> Result<String, ConfigError> {
    let Some(given) = &keys.environment else { return Ok(SIM.to_owned()) };
    let mut known = vec![SIM];
    known.extend(venue.specs().iter().flat_map(|spec| &spec.hosts).map(|hosts| hosts.environment.as_str()));
    known.sort_unstable();
    known.dedup();
    if !known.contains(&given.get_ref().as_str()) {
        return Err(source.error(given.span(), unknown("environment", given.get_ref(), &known)));
    }
    Ok(given.get_ref().clone())
}

/// Both origins or none: half of a venue must not stay where nobody looked.
fn origins(
    source: Source<'_>,
    product: Option<&Spanned<String>>,
    rest: Option<&Spanned<String>>,
    stream: Option<&Spanned<String>>,
) -> Result<Option<HostOverride>, ConfigError> {
    let check = |origin: &Spanned<String>, schemes: [&str; 2]| {
        let text = origin.get_ref();
        match schemes.iter().any(|scheme| text.starts_with(scheme) && text.len() > scheme.len()) {
            true => Ok(text.clone()),
            false => {
                let message =
                    format!("{text:?} is no origin; it begins with {} or {}", schemes[0], schemes[1]);
                Err(source.error(origin.span(), message))
            }
        }
    };
    match (rest, stream) {
        (None, None) => Ok(None),
        (Some(rest), Some(stream)) => Ok(Some(HostOverride {
            product: product.map(|name| name.get_ref().clone()),
            rest: check(rest, ["https://", "http://"])?,
            stream: check(stream, ["wss://", "ws://"])?,
        })),
        (Some(only), None) => Err(source.error(only.span(), "rest needs stream beside it")),
        (None, Some(only)) => Err(source.error(only.span(), "stream needs rest beside it")),
    }
}

/// The wishes of a venue: one list for all products, or one for each where a product has its own.
fn wants(source: Source<'_>, keys: &file::Venue, venue: &dyn Venue) -> Result<Vec<Want>, ConfigError> {
    let mut wants = Vec::new();
    if keys.products.values().all(|p| p.enabled && p.symbols.is_none() && p.channels.is_none()) {
        add(source, venue, None, keys.symbols.as_ref(), keys.channels.as_ref(), &mut wants)?;
        return Ok(wants);
    }
    for spec in venue.specs() {
        let own = keys.products.get(spec.product.as_str());
        // What trades another product's markets is followed only where it is named.
        if own.map_or(spec.markets_of.is_some(), |product| !product.enabled) {
            continue;
        }
        let symbols = own.and_then(|product| product.symbols.as_ref()).or(keys.symbols.as_ref());
        let channels = own.and_then(|product| product.channels.as_ref()).or(keys.channels.as_ref());
        add(source, venue, Some(&spec.product), symbols, channels, &mut wants)?;
    }
    Ok(wants)
}

fn add(
    source: Source<'_>,
    venue: &dyn Venue,
    product: Option<&String>,
    symbols: Option<&Names>,
    channels: Option<&Names>,
    wants: &mut Vec<Want>,
) -> Result<(), ConfigError> {
    let specs = || venue.specs().iter().filter(|spec| product.is_none_or(|name| *name == spec.product));
    let offered = |channel| specs().any(|spec| spec.offers(channel));
    let mut followed = Vec::new();
    match channels {
        None => followed.extend(DEFAULT_CHANNELS.into_iter().filter(|channel| offered(*channel))),
        Some(words) => {
            for word in words {
                let channel = channel(word.get_ref()).filter(|channel| offered(*channel));
                followed.push(channel.ok_or_else(|| {
                    let known = Channel::WORDS
                        .into_iter()
                        .filter(|word| Channel::from_word(word).is_some_and(offered));
                    let known: Vec<&str> = known.collect();
                    source.error(word.span(), unknown("channel", word.get_ref(), &known))
                })?);
            }
        }
    }
    for channel in followed {
        let want = |symbol: &str| Want { product: product.cloned(), symbol: symbol.to_owned(), channel };
        match symbols {
            _ if channel.is_private() => wants.push(want("")),
            None => wants.push(want("*")),
            Some(names) => {
                for name in names {
                    if name.get_ref().trim().is_empty() {
                        return Err(source.error(name.span(), "an empty symbol; write \"*\" for every one"));
                    }
                    wants.push(want(name.get_ref()));
                }
            }
        }
    }
    Ok(())
}

/// `book`, or `candles:5m` with an interval.
fn channel(word: &str) -> Option<Channel> {
    match word.split_once(':') {
        Some(("candles", interval)) => Some(Channel::Candles(Interval::from_word(interval)?)),
        Some(_) => None,
        None => Channel::from_word(word),
    }
}
