//! Sans-IO machines over any venue: connections, login, subscribe, resync, heartbeat, budget, clock.
