//! Switches outside the gateway, such as a row of a database: each must be read and say that orders may leave, or none
//! does.
//!
//! It owns how often a switch is read, and what is known of it. One that says halt halts as a command does; one that
//! cannot be read vouches for nothing, and the gate shuts by itself. It refuses to arm by one.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;
use std::{error, sync::Arc};

use venuekit_types::Mono;

use super::shared::{Shared, Vigil};

/// How often each switch is read.
const EVERY: Duration = Duration::from_millis(250);

/// What a switch says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    /// Orders may leave, as far as it is concerned.
    Run,
    /// Everything is to stop, and why.
    Halt(String),
}

/// Something outside the gateway that stops it, read four times a second on a thread of its own.
pub trait Switch: Send {
    /// What it is called in messages; it holds no secret.
    fn name(&self) -> String;

    /// Reads it; this may block, and what takes two seconds counts as unread.
    ///
    /// **Errors**: whatever keeps it from being read: that it is not there is one.
    fn read(&mut self) -> Result<Position, Box<dyn error::Error + Send + Sync>>;
}

/// What is known of one switch.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    name: String,
    /// When the last reading began that let orders leave, unless it has said halt since.
    good: Option<Mono>,
    /// Why it wants everything stopped, while it does.
    halt: Option<String>,
    /// Why the last reading failed, if it did.
    error: Option<String>,
}

impl Seen {
    pub(super) fn new(name: String) -> Seen {
        Seen { name, good: None, halt: None, error: None }
    }

    /// Takes what a reading said that began at an instant: why everything is to stop, when it says so anew.
    fn take(&mut self, began: Mono, said: Result<Position, String>) -> Option<String> {
        match said {
            Ok(Position::Run) => {
                *self = Seen { good: Some(began), ..Seen::new(core::mem::take(&mut self.name)) };
                None
            }
            Ok(Position::Halt(why)) => {
                let is_new = self.halt.as_ref() != Some(&why);
                (self.good, self.halt, self.error) = (None, Some(why), None);
                self.against().filter(|_| is_new)
            }
            // What it said before holds until it is too old.
            Err(why) => {
                self.error = Some(why);
                None
            }
        }
    }

    /// The instant for which it vouches.
    pub(super) fn good(&self) -> Option<Mono> {
        self.good
    }

    /// What it has against orders, in words.
    pub(super) fn against(&self) -> Option<String> {
        let name = &self.name;
        match (&self.halt, &self.error) {
            (Some(why), _) => Some(format!("{name} says halt: {why}")),
            (None, Some(error)) => Some(format!("{name} cannot be read: {error}")),
            (None, None) if self.good.is_none() => Some(format!("{name} has not been read yet")),
            (None, None) => None,
        }
    }
}

/// Reads a switch until nobody wants it any more.
pub(super) fn watch(shared: &Arc<Shared>, at: usize, mut switch: Box<dyn Switch>, ended: &Receiver<()>) {
    let vigil = Vigil::over(shared, "the watch over a switch");
    loop {
        let began = shared.clock.now().mono;
        let said = switch.read().map_err(|error| chain(error.as_ref()));
        if let Some(why) = shared.switches(|all| all.get_mut(at).and_then(|seen| seen.take(began, said))) {
            shared.forbid(&why);
        }
        if ended.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout) {
            break;
        }
    }
    vigil.dismiss();
}

/// An error and what lies behind it, in one line.
fn chain(error: &dyn error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_vouches_from_the_beginning_of_its_last_good_reading() {
        let mut seen = Seen::new("row".to_owned());
        let halt = |why: &str| Ok(Position::Halt(why.to_owned()));
        let failed = || Err("gone".to_owned());
        let text = |text: &str| Some(text.to_owned());
        assert_eq!((seen.good(), seen.against()), (None, text("row has not been read yet")));
        assert_eq!(seen.take(Mono(1), failed()), None);
        assert_eq!((seen.good(), seen.against()), (None, text("row cannot be read: gone")));
        assert_eq!(seen.take(Mono(2), Ok(Position::Run)), None);
        assert_eq!((seen.good(), seen.against()), (Some(Mono(2)), None));
        // One that fails says nothing new: the last good one grows old.
        assert_eq!(seen.take(Mono(3), failed()), None);
        assert_eq!((seen.good(), seen.against()), (Some(Mono(2)), text("row cannot be read: gone")));
        // A halt is told once, and again when it gives another reason.
        assert_eq!(seen.take(Mono(4), halt("desk")), text("row says halt: desk"));
        assert_eq!(seen.take(Mono(5), halt("desk")), None);
        assert_eq!(seen.good(), None);
        assert_eq!(seen.take(Mono(6), halt("risk")), text("row says halt: risk"));
        // Unreadable after a halt is still a halt, and no second one when it is read again.
        assert_eq!(seen.take(Mono(7), failed()), None);
        assert_eq!((seen.good(), seen.against()), (None, text("row says halt: risk")));
        assert_eq!(seen.take(Mono(8), halt("risk")), None);
        assert_eq!(seen.take(Mono(9), Ok(Position::Run)), None);
        assert_eq!(seen.take(Mono(10), halt("risk")), text("row says halt: risk"));
    }
}
