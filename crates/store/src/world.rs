//! Which world rows come from, so that nobody mistakes a simulation for a market.
//!
//! Owns what may be added to what, for every sink. It refuses to mix.

use std::collections::BTreeMap;

/// Where rows come from. A database holds rows of one world, so that nobody mistakes a simulation for a market.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum World {
    /// Live venues, each with the hosts that it is reached by. A later run may add venues, but reaches those that
    /// are recorded by the same hosts.
    Live {
        /// Hosts by venue id, as one text each.
        hosts: BTreeMap<String, String>,
    },
    /// One run of a simulator.
    Sim {
        /// Its identity: the same seed started twice is two runs, unless it resumes.
        run_id: String,
    },
}

impl World {
    /// Whether rows of `wanted` may be added to what this world recorded.
    pub(crate) fn admits(&self, wanted: &World) -> bool {
        match (self, wanted) {
            (World::Live { hosts: old }, World::Live { hosts: new }) => {
                new.iter().all(|(venue, host)| old.get(venue).is_none_or(|recorded| recorded == host))
            }
            (recorded, wanted) => recorded == wanted,
        }
    }

    /// As it is recorded: venue, kind and identity, one row a venue or one for a whole simulation.
    pub(crate) fn rows(&self) -> Vec<(&str, &'static str, &str)> {
        match self {
            World::Sim { run_id } => vec![("*", "sim", run_id)],
            World::Live { hosts } => hosts.iter().map(|(venue, host)| (&**venue, "live", &**host)).collect(),
        }
    }

    /// What such rows record; nothing where there are none.
    pub(crate) fn of_rows(rows: Vec<(String, String, String)>) -> Option<World> {
        let mut hosts = BTreeMap::new();
        for (venue, kind, identity) in rows {
            if kind == "sim" {
                return Some(World::Sim { run_id: identity });
            }
            hosts.insert(venue, identity);
        }
        if hosts.is_empty() { None } else { Some(World::Live { hosts }) }
    }
}

impl std::fmt::Display for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            World::Sim { run_id } => write!(f, "simulator run {run_id}"),
            World::Live { hosts } => {
                f.write_str("live venues")?;
                for (at, (venue, host)) in hosts.iter().enumerate() {
                    write!(f, "{} {venue}={host}", if at == 0 { "" } else { "," })?;
                }
                Ok(())
            }
        }
    }
}
