//! Runs sessions and serves simulator fronts on tokio: sockets, TLS, clocks, and the async client API.

mod address;
mod clock;
mod error;
mod http;
mod net;
mod run;
mod serve;
mod socket;
mod tape;
mod tls;

pub use address::{AddressError, check_address};
pub use clock::Clock;
pub use error::{StartError, Stopped};
pub use http::HttpError;
pub use run::{Handle, Host, Options, Runner};
pub use serve::{Remote, ServeError, ServeOptions, Server, serve};
pub use tape::{Tape, TapeFileError, TapeStatus};
pub use tls::{ClientTls, ServerTls, TlsError};
