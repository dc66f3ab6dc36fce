//! Ids as the venue spells them, made of what they stand for, so that none has to be kept.

/// The letters of spot ids, in the order of their codes, so that later ids sort after earlier ones.
const LETTERS: &[u8; 32] = b"234567ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// Letters and digits of a spot id: 6, 5 and 6 of them, the first being its kind.
const LENGTH: usize = 17;

/// A spot id, `OABCDE-FGHIJ-KLMNOP`: its kind, a market and a number.
pub(super) fn spot_id(kind: char, market: usize, number: u64) -> String {
    let market = u128::try_from(market).expect("a market's index is small");
    let mut rest = (u128::from(number) << 8) | (market & 0xff);
    let mut letters = [LETTERS[0]; LENGTH];
    for letter in letters[1..].iter_mut().rev() {
        *letter = LETTERS[usize::try_from(rest & 31).expect("it is below 32")];
        rest >>= 5;
    }
    let text: String = letters[1..].iter().map(|&letter| char::from(letter)).collect();
    format!("{kind}{}-{}-{}", &text[..5], &text[5..10], &text[10..])
}

/// The market and the number that a spot id of a kind stands for.
pub(super) fn parse_spot_id(kind: char, id: &str) -> Option<(usize, u64)> {
    let rest = id.strip_prefix(kind)?;
    let dashes = [rest.get(5..6)?, rest.get(11..12)?];
    if rest.len() != LENGTH + 1 || dashes != ["-", "-"] {
        return None;
    }
    let mut bits = 0u128;
    for letter in rest.bytes().filter(|&letter| letter != b'-') {
        let value = LETTERS.iter().position(|&other| other == letter)?;
        bits = (bits << 5) | u128::try_from(value).ok()?;
    }
    Some((usize::try_from(bits & 0xff).ok()?, u64::try_from(bits >> 8).ok()?))
}

/// What a futures id stands for, told apart by one digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Uid {
    /// An order.
    Order,
    /// A fill of ours.
    Fill,
    /// A trade of anybody.
    Trade,
    /// An event of the history.
    Event,
}

/// A futures id in the form of a UUID.
pub(super) fn uid(kind: Uid, market: usize, number: u64) -> String {
    let kind = match kind {
        Uid::Order => "a",
        Uid::Fill => "b",
        Uid::Trade => "c",
        Uid::Event => "d",
    };
    format!("{:08x}-{market:04x}-4000-8{kind}00-{:012x}", number >> 48, number & 0xffff_ffff_ffff)
}

/// The market and the number of an order that a futures id names.
pub(super) fn parse_order_uid(id: &str) -> Option<(usize, u64)> {
    let parts: Vec<&str> = id.split('-').collect();
    let [high, market, _, _, low] = parts[..] else { return None };
    let market = usize::from_str_radix(market, 16).ok()?;
    let number = (u64::from_str_radix(high, 16).ok()? << 48) | u64::from_str_radix(low, 16).ok()?;
    (uid(Uid::Order, market, number) == id).then_some((market, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_say_what_they_stand_for() {
        for (market, number) in [(0, 0), (3, 1), (6, 987_654_321), (255, u64::MAX)] {
            let id = spot_id('O', market, number);
            assert_eq!((id.len(), parse_spot_id('O', &id)), (19, Some((market, number))), "{id}");
            assert_eq!(parse_spot_id('T', &id), None);
            let id = uid(Uid::Order, market, number);
            assert_eq!((id.len(), parse_order_uid(&id)), (36, Some((market, number))), "{id}");
            assert_eq!(parse_order_uid(&uid(Uid::Fill, market, number)), None);
        }
        assert_eq!(parse_spot_id('O', "OABCDE-FGHIJ"), None);
        assert_eq!(parse_spot_id('O', "Oäöüß-FGHIJ-KLMN"), None);
        assert_eq!(parse_order_uid("nonsense"), None);
    }
}
