//! DueDEX: tables and codecs for its perpetual contracts.
