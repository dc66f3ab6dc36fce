//! Sinks behind one trait: SQLite as the embedded default.
