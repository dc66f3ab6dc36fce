//! Doex: tables and codecs for spot, margin and futures.
