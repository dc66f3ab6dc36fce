//! Conformance suite, virtual clock and a faulty link, for every adapter in the workspace and outside it.
