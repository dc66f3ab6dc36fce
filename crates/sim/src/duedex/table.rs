//! A channel of keyed rows: whole in snapshots, the key and what changed in updates.

use std::collections::BTreeMap;

use crate::text::Text;

/// One field of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// Its name.
    name: &'static str,
    /// Its value as raw JSON.
    value: String,
    /// When it is told.
    told: Told,
}

/// When an update tells a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// In every update: keys, and what clients read without looking.
    Always,
    /// When it changed.
    Changed,
    /// When it or another of its kind changed.
    Together,
}

/// A row of the channel: fields in the order of the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row(Vec<Field>);

impl Row {
    pub(super) fn with(mut self, told: Told, name: &'static str, value: impl Into<String>) -> Row {
        self.0.push(Field { name, value: value.into(), told });
        self
    }

    pub(super) fn always(self, name: &'static str, value: impl Into<String>) -> Row {
        self.with(Told::Always, name, value)
    }

    pub(super) fn changed(self, name: &'static str, value: impl Into<String>) -> Row {
        self.with(Told::Changed, name, value)
    }

    pub(super) fn together(self, name: &'static str, value: impl Into<String>) -> Row {
        self.with(Told::Together, name, value)
    }

    /// Writes the whole row.
    pub(super) fn write(&self, text: &mut Text) {
        write_fields(text, self.0.iter());
    }

    /// Writes what is new against the row as it was; false, and nothing written, when nothing is.
    pub(super) fn write_patch(&self, before: &Row, text: &mut Text) -> bool {
        let changed =
            |field: &Field| before.0.iter().all(|old| old.name != field.name || old.value != field.value);
        let any = |told| self.0.iter().any(|field| field.told == told && changed(field));
        let together = any(Told::Together);
        if !together && !any(Told::Changed) && !any(Told::Always) {
            return false;
        }
        let tell = |field: &&Field| match field.told {
            Told::Always => true,
            Told::Changed => changed(field),
            Told::Together => together,
        };
        write_fields(text, self.0.iter().filter(tell));
        true
    }
}

fn write_fields<'a>(text: &mut Text, fields: impl Iterator<Item = &'a Field>) {
    for (at, field) in fields.enumerate() {
        text.s(if at == 0 { "{\"" } else { ",\"" }).s(field.name).s("\":").s(&field.value);
    }
    text.s("}");
}

/// The rows of a channel as told last, and the number of the update that told them.
#[derive(Clone, Debug)]
pub(super) struct Table<K> {
    pub(super) seq: u64,
    rows: BTreeMap<K, Row>,
}

impl<K: Ord> Table<K> {
    /// A table with its first rows: an empty one is number 0, a full one stands behind one update.
    pub(super) fn new(rows: impl IntoIterator<Item = (K, Row)>) -> Table<K> {
        let rows: BTreeMap<K, Row> = rows.into_iter().collect();
        Table { seq: u64::from(!rows.is_empty()), rows }
    }

    /// Begins numbering again.
    pub(super) fn restart(&mut self) {
        self.seq = u64::from(!self.rows.is_empty());
    }

    /// Writes all rows as an array.
    pub(super) fn write(&self, text: &mut Text) {
        text.s("[");
        for (at, row) in self.rows.values().enumerate() {
            if at > 0 {
                text.s(",");
            }
            row.write(text);
        }
        text.s("]");
    }

    /// Takes rows in and writes what is new of them as an array; a row that ends is told once more and forgotten.
    ///
    /// Gives false, with nothing written, when nothing is new; otherwise the number has risen by one.
    pub(super) fn update(&mut self, rows: impl IntoIterator<Item = (K, Row, bool)>, text: &mut Text) -> bool {
        let start = text.0.len();
        let mut count = 0;
        for (key, row, ends) in rows {
            let before = text.0.len();
            text.s(if count == 0 { "[" } else { "," });
            let told = match self.rows.get(&key) {
                Some(old) => row.write_patch(old, text),
                None => {
                    row.write(text);
                    true
                }
            };
            if told {
                count += 1;
            } else {
                text.0.truncate(before);
            }
            if ends {
                self.rows.remove(&key);
            } else {
                self.rows.insert(key, row);
            }
        }
        if count == 0 {
            text.0.truncate(start);
            return false;
        }
        text.s("]");
        self.seq += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str, size: &str, price: &str, fill: &str) -> Row {
        let row = Row::default().always("key", key).changed("size", size);
        row.together("price", price).together("fill", fill)
    }

    fn text(write: impl FnOnce(&mut Text)) -> String {
        let mut text = Text::new();
        write(&mut text);
        text.into_string()
    }

    #[test]
    fn updates_hold_the_key_and_what_changed() {
        let mut table = Table::new([]);
        assert_eq!(table.seq, 0);
        let mut update = |rows: Vec<(u8, Row, bool)>| {
            let mut seq = 0;
            let told = text(|text| {
                table.update(rows, text);
                seq = table.seq;
            });
            (told, seq)
        };
        assert_eq!(
            update(vec![(1, row("1", "5", "9", "0"), false), (2, row("2", "6", "9", "0"), false)]),
            (r#"[{"key":1,"size":5,"price":9,"fill":0},{"key":2,"size":6,"price":9,"fill":0}]"#.into(), 1)
        );
        let both = vec![(1, row("1", "5", "9", "0"), false), (2, row("2", "7", "9", "0"), false)];
        assert_eq!(update(both.clone()), (r#"[{"key":2,"size":7}]"#.into(), 2));
        assert_eq!(update(both), (String::new(), 2));
        let ended = vec![(1, row("1", "5", "9", "4"), true)];
        assert_eq!(update(ended), (r#"[{"key":1,"price":9,"fill":4}]"#.into(), 3));
        assert_eq!(text(|text| table.write(text)), r#"[{"key":2,"size":7,"price":9,"fill":0}]"#);
        table.restart();
        assert_eq!(table.seq, 1);
    }
}
