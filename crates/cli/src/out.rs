//! Standard output: data only, and a reader that went away is no error.

use std::io::{self, Write};
use std::ops::ControlFlow;

use serde::Serialize;

use crate::exit::{Exit, Failure, OrExit};

/// Writes an object as one line and flushes it; breaks when nobody reads any more.
pub(crate) fn json(value: &impl Serialize) -> Result<ControlFlow<()>, Failure> {
    let mut line = serde_json::to_string(value).or_exit(Exit::Unexpected)?;
    line.push('\n');
    text(&line)
}

/// Writes a text and flushes it; breaks when nobody reads any more.
pub(crate) fn text(text: &str) -> Result<ControlFlow<()>, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(ControlFlow::Continue(())),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        Err(error) => {
            Err(Failure::new(Exit::Unexpected, anyhow::Error::new(error).context("cannot write the output")))
        }
    }
}
