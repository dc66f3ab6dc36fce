//! The ingestion worker: registry, driver and store, with health and metrics.
