//! Client order ids that every venue takes, and that never repeat.

/// Makes the client order ids of one run of one client.
///
/// An id is the run and a count, in 32 hexadecimal digits: short enough, plain enough and, where a venue wants one, a
/// UUID without hyphens. Nothing random is in it, so a run that is replayed makes the same ids.
///
/// ```
/// let mut ids = venuekit_venue::ClientIds::new(0x5eed);
/// assert_eq!(ids.next_id(), "0000000000005eed0000000000000000");
/// assert_eq!(ids.next_id(), "0000000000005eed0000000000000001");
/// assert_eq!(venuekit_venue::ClientIds::parts("0000000000005eed0000000000000001"), Some((0x5eed, 1)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIds {
    run: u64,
    count: u64,
}

impl ClientIds {
    /// The ids of a run, whose number no other run with the same key may have.
    pub const fn new(run: u64) -> ClientIds {
        ClientIds { run, count: 0 }
    }

    /// The id of a count within a run.
    pub fn id(run: u64, count: u64) -> String {
        format!("{run:016x}{count:016x}")
    }

    /// The next one.
    pub fn next_id(&mut self) -> String {
        let id = ClientIds::id(self.run, self.count);
        self.count = self.count.checked_add(1).expect("no run places 2^64 orders");
        id
    }

    /// Run and count of an id; nothing when it is not of this form, and so somebody else's.
    pub fn parts(id: &str) -> Option<(u64, u64)> {
        let (run, count) = id.split_at_checked(16)?;
        let number = |text: &str| {
            let is_ours = text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            is_ours.then(|| u64::from_str_radix(text, 16).ok()).flatten()
        };
        Some((number(run)?, number(count)?))
    }
}
