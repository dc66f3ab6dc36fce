//! Bytes and allocations of every engine. Not a matter of speed, so all stand in one binary with a counting
//! allocator.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use venuekit_peers::engine::{
    BTree, Barter, HashMapMarketDepth, Hft, Kraken, Nautilus, Ninja, Ours, ROIVectorMarketDepth,
};
use venuekit_peers::{Counted, Engine, memory, session};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    for bench in std::env::args().skip(1) {
        let Some(session) = session(&bench) else { continue };
        let region = Region::new(ALLOCATOR);
        let count = || -> Counted {
            let stats = region.change();
            let held = stats.bytes_allocated.saturating_sub(stats.bytes_deallocated);
            (held, stats.allocations + stats.reallocations)
        };
        let line = |engine: &str, (bytes, allocations): (usize, f64)| {
            println!(
                r#"{{"bench":"{bench}","engine":"{engine}","bytes_per_book":{bytes},"allocs_per_message":{allocations:.4}}}"#
            );
        };
        fn of<E: Engine>(session: &venuekit_peers::Session, count: impl Fn() -> Counted) -> (usize, f64) {
            memory::<E>(session, count)
        }
        line("venuekit-book", of::<Ours>(&session, count));
        line("btreemap", of::<BTree>(&session, count));
        line("barter-data", of::<Barter>(&session, count));
        line("nautilus-model", of::<Nautilus>(&session, count));
        line("hftbacktest-hashmap", of::<Hft<HashMapMarketDepth>>(&session, count));
        line("hftbacktest-roi", of::<Hft<ROIVectorMarketDepth>>(&session, count));
        line("kraken-book", of::<Kraken>(&session, count));
        line("ninjabook", of::<Ninja>(&session, count));
    }
}
