//! What the driver's own operations can fail with, and how a chain of errors is put in one line.

use std::error::Error;

use crate::http::HttpError;

/// Why a session cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Requests cannot be made.
    #[error("this session cannot make requests")]
    Http(#[from] HttpError),
}

/// The loop that was spoken to has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the loop has stopped; start another one")]
pub struct Stopped;

/// An error and its sources in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        // Some libraries repeat their source in their own words.
        if !line.ends_with(&words) {
            line.push_str(": ");
            line.push_str(&words);
        }
        source = cause.source();
    }
    line
}
