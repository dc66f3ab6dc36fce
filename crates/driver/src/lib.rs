//! Runs sessions and serves simulator fronts on tokio: sockets, TLS, clocks, and the async client API.
