//! Measurements, printed and never asserted: `cargo xtask bench [book|ingest]`.

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::run::{cargo, pass_through};
use crate::throughput;

/// What to measure; everything when nothing is named.
#[derive(Args)]
pub(crate) struct Options {
    /// The order book by itself, or the whole way from the simulator to stored rows.
    what: Option<What>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// The criterion benches of the book.
    Book,
    /// Whole processes: simulator, sockets, session, book, database.
    Ingest,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if options.what != Some(What::Ingest) {
        pass_through(&mut cargo(&["bench", "--package", "venuekit-book"]))?;
    }
    if options.what != Some(What::Book) {
        throughput::run()?;
    }
    Ok(())
}
