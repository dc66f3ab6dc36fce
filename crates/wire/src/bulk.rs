//! The bound on lists: a few megabytes of `0,0,0,…` would otherwise become ten times as many of memory.
//!
//! Short texts cannot hold too much and are not looked at. It refuses to check JSON: whoever reads the text does.

/// Elements of one list of numbers, texts or lists.
const ELEMENTS_MAX: u32 = 131_072;
/// Elements of one list of objects: each becomes a row.
const OBJECTS_MAX: u32 = 16_384;
/// Texts up to this length cannot hold a list that is too long for memory: an element and its comma are two bytes.
const SHORT: usize = 2 * ELEMENTS_MAX as usize;
/// Lists in lists; a text that is deeper is none that serde reads.
const DEPTH_MAX: usize = 128;

/// A list that is open.
#[derive(Clone, Copy, Default)]
struct List {
    commas: u32,
    of_objects: bool,
}

/// Where a list, or what stands in braces, grows too long; nothing where none does.
pub(crate) fn too_long(text: &[u8]) -> Option<usize> {
    if text.len() <= SHORT {
        return None;
    }
    let mut open = [List::default(); DEPTH_MAX];
    let (mut depth, mut at) = (0, 0);
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => at = end_of_string(text, at + 1)?,
            b'[' | b'{' => {
                open.get_mut(depth.max(1) - 1)?.of_objects |= *byte == b'{';
                *open.get_mut(depth)? = List::default();
                depth += 1;
            }
            b']' | b'}' => depth = usize::checked_sub(depth, 1)?,
            b',' => {
                let list = &mut open[depth.max(1) - 1];
                list.commas += 1;
                if list.commas >= if list.of_objects { OBJECTS_MAX } else { ELEMENTS_MAX } {
                    return Some(at);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Where the quote stands that ends a string; nothing where it does not end.
fn end_of_string(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match text.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(of: &str, count: u32, between: &str) -> String {
        let elements = vec![of; usize::try_from(count).expect("a count")];
        format!("{{\"e\":\",[\\\",\",\"data\":[{}]}}", elements.join(between))
    }

    #[test]
    fn a_list_may_be_as_long_as_its_bound() {
        for (of, max) in
            [("0", ELEMENTS_MAX), ("[\"1\",2,3]", ELEMENTS_MAX), ("{\"price\":1,\"qty\":2}", OBJECTS_MAX)]
        {
            assert_eq!(too_long(list(of, max, ", ").as_bytes()), None, "{of}");
            let long = list(of, max + 1, ", ");
            assert_eq!(too_long(long.as_bytes()), long.rfind(&format!(", {of}")), "{of}");
        }
    }

    #[test]
    fn what_a_text_quotes_is_no_list() {
        let quoted = format!("[\"{}\"]", "0,".repeat(200_000));
        assert_eq!(too_long(quoted.as_bytes()), None);
    }

    /// Each is refused by whoever reads it.
    #[test]
    fn what_is_no_json_is_passed_on() {
        for broken in ["[".repeat(300_000), "]".repeat(300_000), format!("\"{}", "\\".repeat(300_001))] {
            assert_eq!(too_long(broken.as_bytes()), None);
        }
    }
}
