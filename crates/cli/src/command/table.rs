//! Lists of objects, as one JSON object or as columns.

use std::fmt::Write as _;

use serde_json::Value;

use crate::exit::{Exit, Outcome};
use crate::out;

/// Prints an object that holds a list: whole as JSON, or the named columns of the list.
pub(super) fn show(object: &Value, list: &str, columns: &[&str], as_json: bool) -> Outcome {
    // Whether anybody reads it makes no difference here.
    let _ = if as_json { out::json(object)? } else { out::text(&text(object, list, columns))? };
    Ok(Exit::Ok)
}

fn text(object: &Value, list: &str, columns: &[&str]) -> String {
    let cell = |row: &Value, name: &str| match &row[name] {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let rows: Vec<Vec<String>> = object[list]
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| columns.iter().map(|name| cell(row, name)).collect())
        .collect();
    let width = |at: usize| {
        let cells = rows.iter().map(|row| row[at].chars().count());
        cells.chain([columns[at].len()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut text = format!("env {}\n", cell(object, "env"));
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut row = String::new();
        for (cell, width) in cells.zip(&widths) {
            // Writing to a string cannot fail.
            let _ = write!(row, "{cell:<width$}  ");
        }
        text.push_str(row.trim_end());
        text.push('\n');
    };
    line(&mut columns.iter().copied());
    for row in &rows {
        line(&mut row.iter().map(String::as_str));
    }
    if rows.is_empty() {
        let _ = writeln!(text, "no {list}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_cells_and_an_empty_list_says_so() {
        let object =
            serde_json::json!({ "env": "sim", "fees": [{ "a": "long cell", "b": true }, { "b": 7 }] });
        assert_eq!(
            text(&object, "fees", &["a", "b"]),
            "env sim\na          b\nlong cell  true\n-          7\n"
        );
        assert_eq!(text(&object, "fills", &["a"]), "env sim\na\nno fills\n");
    }
}
