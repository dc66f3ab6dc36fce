//! The one place that lists every venue.
