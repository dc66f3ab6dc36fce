//! The report of a replay as text for people; scripts take the JSON.

use std::fmt::Write as _;

use venuekit_session::Report;

/// Writes a report as tables.
pub(super) fn of(report: &Report) -> String {
    let mut text = String::new();
    let events: u64 = report.events.values().sum();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{} frames, {events} events, {} frames that made no sense",
        report.frames, report.decode_errors
    );
    let mut books = Table::new(&[
        "BOOK",
        "STATE",
        "UPDATES",
        "GAPS",
        "RESYNCS",
        "CHECKSUMS",
        "SEQ",
        "BIDS",
        "ASKS",
        "BEST BID",
        "BEST ASK",
        "SHA256",
    ]);
    for (symbol, book) in &report.books {
        let best =
            |levels: &[(String, String)]| levels.first().map_or("-".into(), |(price, _)| price.clone());
        books.row([
            symbol.clone(),
            book.state.to_owned(),
            book.updates.to_string(),
            book.gaps.to_string(),
            book.resyncs.to_string(),
            match (book.checksums_ok, book.checksums_bad) {
                (0, 0) => "-".into(),
                (ok, bad) => format!("{ok} ok {bad} bad"),
            },
            book.last_seq.map_or("-".into(), |seq| seq.to_string()),
            book.bid_levels.to_string(),
            book.ask_levels.to_string(),
            best(&book.top_bids),
            best(&book.top_asks),
            book.sha256.chars().take(16).collect(),
        ]);
    }
    books.write(&mut text);
    let mut trades = Table::new(&["TRADES", "COUNT", "QTY", "NOTIONAL"]);
    for (symbol, trade) in &report.trades {
        let (qty, notional) = (trade.qty_sum.clone(), trade.notional_sum.clone());
        trades.row([symbol.clone(), trade.count.to_string(), qty, notional]);
    }
    trades.write(&mut text);
    text
}

/// Rows of cells, the first column to the left and the others to the right.
struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    fn new(head: &[&str; N]) -> Table<N> {
        Table { rows: vec![head.map(str::to_owned)] }
    }

    fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells);
    }

    /// Writes the table after an empty line, if it has more than its head.
    fn write(&self, text: &mut String) {
        if self.rows.len() == 1 {
            return;
        }
        let width = |column: usize| self.rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
        let widths: [usize; N] = std::array::from_fn(width);
        text.push('\n');
        for row in &self.rows {
            for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
                let _ = match column {
                    0 => write!(text, "{cell:<width$}"),
                    _ => write!(text, "  {cell:>width$}"),
                };
            }
            text.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["NAME", "N"]);
        table.row(["a".into(), "12345".into()]);
        let mut text = String::new();
        table.write(&mut text);
        assert_eq!(text, "\nNAME      N\na     12345\n");
    }
}
