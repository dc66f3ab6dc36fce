//! Which world a run's rows come from: the embedded simulator, another process's simulator, or live venues.
//!
//! A simulator names its run in every answer, so hosts are asked once before anything is stored.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use venuekit_sim::RUN_HEADER;
use venuekit_store::World;

use crate::config::VenueConfig;
use crate::error::IngestError;

/// How long a host may take to say who it is.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Longest head of an answer that is read.
const HEAD_MAX: usize = 16 << 10;

/// What one venue is.
enum Found {
    Sim(String),
    Live(String),
}

/// Finds the one world of all venues; `embedded` is the run of the embedded simulator, where there is one.
pub(crate) async fn find(venues: &[VenueConfig], embedded: Option<&str>) -> Result<World, IngestError> {
    let mut runs: BTreeMap<String, &str> = BTreeMap::new();
    let mut hosts = BTreeMap::new();
    for config in venues {
        let found = match embedded.filter(|_| config.is_embedded()) {
            Some(run) => Found::Sim(run.to_owned()),
            None => ask(config).await?,
        };
        match found {
            Found::Sim(run) => {
                runs.entry(run).or_insert(&config.id);
            }
            Found::Live(origins) => {
                hosts.insert(config.id.clone(), origins);
            }
        }
    }
    let mut runs = runs.into_iter();
    match (runs.next(), hosts.keys().next(), runs.next()) {
        (None, _, _) => Ok(World::Live { hosts }),
        (Some((run_id, _)), None, None) => Ok(World::Sim { run_id }),
        (Some((_, simulated)), Some(live), _) => {
            Err(IngestError::TwoWorlds { simulated: simulated.to_owned(), other: live.clone() })
        }
        (Some((_, simulated)), None, Some((_, other))) => {
            Err(IngestError::TwoWorlds { simulated: simulated.to_owned(), other: other.to_owned() })
        }
    }
}

/// Asks the hosts of a venue which run they are; whoever names none is live.
async fn ask(config: &VenueConfig) -> Result<Found, IngestError> {
    let mut origins: Vec<String> = Vec::new();
    for spec in config.venue.specs() {
        let named = config.hosts.iter().find(|host| host.product.as_deref() == Some(&spec.product));
        let origin = match named.or_else(|| config.hosts.iter().find(|host| host.product.is_none())) {
            Some(hosts) => &hosts.rest,
            None => match spec.hosts.iter().find(|hosts| hosts.environment == config.environment) {
                Some(hosts) => &hosts.rest,
                // The session says what is wrong with it.
                None => continue,
            },
        };
        let origin = origin.trim_end_matches('/');
        if !origins.iter().any(|known| known == origin) {
            origins.push(origin.to_owned());
        }
    }
    for origin in &origins {
        // A simulator is served on this machine only, and by TLS only to whom it gave its authority.
        let Some(address) = origin.strip_prefix("http://") else { continue };
        let asked = tokio::time::timeout(ANSWER_WITHIN, run_of(address)).await;
        let run = asked.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())).map_err(|error| {
            IngestError::Unreachable { why: format!("{} at {origin}: {error}", config.id) }
        })?;
        if let Some(run) = run {
            return Ok(Found::Sim(run));
        }
    }
    Ok(Found::Live(origins.join(" ")))
}

/// The run that a host names in the head of its answer.
async fn run_of(address: &str) -> std::io::Result<Option<String>> {
    let address = if address.contains("]:") || (address.matches(':').count() == 1) {
        address.to_owned()
    } else {
        format!("{address}:80")
    };
    let mut stream = TcpStream::connect(&address).await?;
    let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while head.len() < HEAD_MAX && !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer).await? {
            0 => break,
            read => head.extend_from_slice(&buffer[..read]),
        }
    }
    Ok(run_in(&String::from_utf8_lossy(&head)))
}

fn run_in(head: &str) -> Option<String> {
    let head = head.split("\r\n\r\n").next().unwrap_or_default();
    let mut fields = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    let run = fields.find(|(name, _)| name.eq_ignore_ascii_case(RUN_HEADER))?.1.trim();
    (!run.is_empty()).then(|| run.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_stands_in_the_head_and_nowhere_else() {
        let run = |text: &str| run_in(text);
        assert_eq!(run("HTTP/1.1 404 \r\nx-venuekit-run: ab12 \r\n\r\n{}"), Some("ab12".to_owned()));
        assert_eq!(run("HTTP/1.1 200 OK\r\nServer: x\r\n\r\nX-Venuekit-Run: ab12\r\n"), None);
        assert_eq!(run("X-Venuekit-Run: ab12"), None);
        assert_eq!(run(""), None);
    }
}
