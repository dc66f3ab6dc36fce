//! The contract an adapter implements: tables and pure codecs, nothing that does IO.
