//! One batch into the server: usually one statement, which commits by itself.
//!
//! Owns what takes more than one: an instrument, whose version is counted, and a gap that is noticed and healed
//! within the same batch. Then a transaction holds them together.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, GenericClient, Statement};

use super::columns::{self, Columns, SHAPES};
use super::lease::Fence;
use super::schema::Partitions;
use crate::day::Day;
use crate::shard::Shard;
use crate::{Batch, Counts, InstrumentSeen, Market, Receipt, Refused, Row, Table, Why};

type Error = tokio_postgres::Error;

/// The statements of one connection.
#[derive(Debug)]
pub(super) struct Prepared {
    generation: u64,
    is_fenced: bool,
    insert: Statement,
    instrument: Statement,
}

impl Prepared {
    /// Those in `slot` where they are of this connection, else new ones.
    pub(super) async fn on<'s>(
        slot: &'s mut Option<Prepared>,
        client: &Client,
        generation: u64,
        is_fenced: bool,
    ) -> Result<&'s Prepared, Error> {
        let fits = |known: &Prepared| known.generation == generation && known.is_fenced == is_fenced;
        if !slot.as_ref().is_some_and(fits) {
            let insert = client.prepare(&columns::insert_sql(is_fenced)).await?;
            let instrument = client.prepare(&columns::instrument_sql(is_fenced)).await?;
            *slot = Some(Prepared { generation, is_fenced, insert, instrument });
        }
        Ok(slot.as_ref().expect("filled above"))
    }
}

/// The partitions that a batch needs and that nobody made yet.
pub(super) fn wanted_partitions(batch: &Batch, known: &Partitions) -> BTreeSet<(Table, Day)> {
    let wanted = batch.rows.iter().filter_map(|row| match row {
        Row::Trade(row) => known.wants(Table::Trade, row.ts_venue, row.ts_local),
        Row::BookChange(row) => known.wants(Table::BookChange, row.ts_venue?, row.ts_local),
        Row::Ticker(row) => known.wants(Table::Ticker, row.ts_venue?, row.ts_local),
        Row::Candle(row) => known.wants(Table::Candle, row.open_at, row.ts_local),
        Row::Instrument(_) | Row::Gap(_) | Row::OrderState(_) | Row::Fill(_) | Row::Movement(_) => None,
    });
    wanted.collect()
}

/// The generations of a batch that are beyond those known, by market.
pub(super) fn higher_epochs(batch: &Batch, known: &BTreeMap<Market, u64>) -> BTreeMap<Market, u64> {
    let mut higher = BTreeMap::new();
    for row in &batch.rows {
        let (market, epoch) = match row {
            Row::BookChange(row) => (&row.market, row.epoch),
            Row::Ticker(row) => (&row.market, row.epoch),
            _ => continue,
        };
        if epoch > higher.get(market).or_else(|| known.get(market)).copied().unwrap_or(0) {
            higher.insert(market.clone(), epoch);
        }
    }
    higher
}

/// Marks generations as taken.
pub(super) async fn raise_epochs(client: &Client, higher: &BTreeMap<Market, u64>) -> Result<(), Error> {
    let (mut venues, mut symbols, mut epochs) = (Vec::new(), Vec::new(), Vec::new());
    for (market, epoch) in higher {
        // What does not fit is refused with its rows.
        let Ok(epoch) = i64::try_from(*epoch) else { continue };
        venues.push(&*market.venue);
        symbols.push(market.symbol.as_str());
        epochs.push(epoch);
    }
    let raise = "INSERT INTO epoch SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])
                 ON CONFLICT (venue, symbol) DO UPDATE SET last = greatest(epoch.last, excluded.last)";
    client.execute(raise, &[&venues, &symbols, &epochs]).await?;
    Ok(())
}

/// What one statement writes.
enum Step<'a> {
    Instrument { place: usize, lease: i64, row: &'a InstrumentSeen },
    Rows(Vec<Columns<'a>>),
}

/// A batch cut into steps, and what was refused on the way.
struct Plan<'a> {
    steps: Vec<Step<'a>>,
    receipt: Receipt,
    refused: BTreeMap<usize, Refused>,
}

impl Plan<'_> {
    fn refuse(&mut self, table: Table, place: usize, key: String) {
        self.receipt.add(table, Counts { refused: 1, ..Counts::default() });
        self.refused.insert(place, Refused { table, key, why: Why::OutOfRange });
    }
}

/// Writes a batch.
pub(super) async fn commit(
    client: &mut Client,
    prepared: &Prepared,
    batch: &Batch,
    fence: Option<&Fence>,
) -> Result<Receipt, Error> {
    let mut plan = plan(batch, fence);
    let steps = std::mem::take(&mut plan.steps);
    let mut work = Work { prepared, batch, fence, plan, lost: BTreeSet::new() };
    if let [only] = &steps[..] {
        work.step(&*client, only).await?;
    } else {
        let tx = client.transaction().await?;
        for step in &steps {
            work.step(&tx, step).await?;
        }
        tx.commit().await?;
    }
    let Work { plan: Plan { mut receipt, refused, .. }, lost, .. } = work;
    receipt.refused = refused.into_values().collect();
    receipt.lost = lost.into_iter().collect();
    Ok(receipt)
}

fn plan<'a>(batch: &'a Batch, fence: Option<&Fence>) -> Plan<'a> {
    let mut leases = LeaseOf { fence, known: HashMap::new() };
    let empty = || SHAPES.iter().map(Columns::new).collect::<Vec<Columns<'a>>>();
    let mut plan = Plan { steps: Vec::new(), receipt: Receipt::default(), refused: BTreeMap::new() };
    let mut rows = empty();
    let mut gaps = HashSet::new();
    for (place, row) in batch.rows.iter().enumerate() {
        let market = row.market();
        let lease = leases.of(market);
        if let Row::Instrument(row) = row {
            plan.steps.push(Step::Instrument { place, lease, row });
            continue;
        }
        // One statement cannot meet a gap twice.
        if let Row::Gap(gap) = row
            && !gaps.insert((&gap.market, &*gap.channel, gap.detected_at))
        {
            plan.steps.push(Step::Rows(std::mem::replace(&mut rows, empty())));
            gaps = HashSet::from([(&gap.market, &*gap.channel, gap.detected_at)]);
        }
        let at = columns::place(row.table()).expect("every other table has a shape");
        if rows[at].push_row(place, lease, row).is_err() {
            plan.refuse(row.table(), place, row.key());
        }
    }
    let at = columns::place(Table::Stream).expect("cursors have a shape");
    for (number, cursor) in batch.cursors.iter().enumerate() {
        // Of several places of one stream the last is where it stands.
        let is_last = !batch.cursors[number + 1..]
            .iter()
            .any(|later| later.market == cursor.market && later.channel == cursor.channel);
        let place = batch.rows.len() + number;
        let market = (&*cursor.market.venue, cursor.market.symbol.as_str());
        if !is_last {
            plan.receipt.add(Table::Stream, Counts { dup: 1, ..Counts::default() });
        } else if rows[at].push_cursor(place, leases.of(market), cursor).is_err() {
            plan.refuse(Table::Stream, place, format!("{} {}", cursor.market, cursor.channel));
        }
    }
    plan.steps.push(Step::Rows(rows));
    plan
}

/// Which lease a market's rows are written under, by place from 1; 0 for none.
struct LeaseOf<'a, 'f> {
    fence: Option<&'f Fence>,
    known: HashMap<(&'a str, &'a str), i64>,
}

impl<'a> LeaseOf<'a, '_> {
    fn of(&mut self, market: (&'a str, &'a str)) -> i64 {
        let Some(fence) = self.fence else { return 0 };
        *self.known.entry(market).or_insert_with(|| {
            let shard = shard_of(market, fence);
            let at = fence.leases.iter().position(|lease| lease.shard == shard);
            at.and_then(|at| i64::try_from(at + 1).ok()).unwrap_or(0)
        })
    }
}

fn shard_of(market: (&str, &str), fence: &Fence) -> Shard {
    if market.1.is_empty() {
        return Shard::of_account(market.0);
    }
    let symbol = market.1.parse().expect("it was a symbol's own text");
    Shard::of(&Market::new(market.0, symbol), fence.buckets)
}

/// A batch under way.
struct Work<'w> {
    prepared: &'w Prepared,
    batch: &'w Batch,
    fence: Option<&'w Fence>,
    plan: Plan<'w>,
    /// Shards whose rows did not enter.
    lost: BTreeSet<Shard>,
}

impl Work<'_> {
    async fn step(&mut self, client: &impl GenericClient, step: &Step<'_>) -> Result<(), Error> {
        match step {
            Step::Instrument { place, lease, row } => self.instrument(client, *place, *lease, row).await,
            Step::Rows(rows) => self.rows(client, rows).await,
        }
    }

    async fn rows(&mut self, client: &impl GenericClient, rows: &[Columns<'_>]) -> Result<(), Error> {
        let (shards, fences, owner) = fence_parameters(self.fence);
        let mut parameters: Vec<&(dyn ToSql + Sync)> = Vec::new();
        if self.fence.is_some() {
            parameters.extend([&shards as &(dyn ToSql + Sync), &fences, &owner]);
        }
        for columns in rows {
            parameters.extend(columns.columns.iter().map(columns::Column::as_parameter));
            if self.fence.is_some() {
                parameters.push(columns.leases.as_parameter());
            }
        }
        let answer = client.query_one(&self.prepared.insert, &parameters).await?;
        let held: BTreeSet<i64> = answer.get::<_, Vec<i64>>(SHAPES.len() + 1).into_iter().collect();
        for (at, (shape, columns)) in SHAPES.iter().zip(rows).enumerate() {
            let sent = columns.places.len();
            let is_fenced = |row: usize| self.fence.is_some() && !held.contains(&columns.lease_of(row));
            let fenced: Vec<usize> = (0..sent).filter(|row| is_fenced(*row)).collect();
            let mut counts = Counts {
                new: answer.get::<_, i64>(at).unsigned_abs(),
                fenced: fenced.len() as u64,
                ..Counts::default()
            };
            if shape.table == Table::Gap {
                counts.healed = answer.get::<_, i64>(SHAPES.len()).unsigned_abs();
            }
            let rest = (sent as u64).saturating_sub(counts.new + counts.healed + counts.fenced);
            if rest > 0 && shape.table != Table::Stream {
                let others = self.conflicts(client, shape, columns).await?;
                for row in others.into_iter().filter(|row| !is_fenced(*row)) {
                    let place = columns.places[row];
                    let key = self.batch.rows[place].key();
                    self.plan.refused.insert(place, Refused { table: shape.table, key, why: Why::Conflict });
                    counts.refused += 1;
                }
            }
            counts.dup = rest.saturating_sub(counts.refused);
            self.plan.receipt.add(shape.table, counts);
            for row in fenced {
                self.lose(columns.places[row]);
            }
        }
        Ok(())
    }

    /// Notes that a row's shard is not ours any more.
    fn lose(&mut self, place: usize) {
        let Some(fence) = self.fence else { return };
        let market = match self.batch.rows.get(place) {
            Some(row) => row.market(),
            None => {
                let cursor = &self.batch.cursors[place - self.batch.rows.len()];
                (&*cursor.market.venue, cursor.market.symbol.as_str())
            }
        };
        self.lost.insert(shard_of(market, fence));
    }

    /// Which rows, by place in the columns, meet a stored row with other content.
    async fn conflicts(
        &self,
        client: &impl GenericClient,
        shape: &columns::Shape,
        columns: &Columns<'_>,
    ) -> Result<Vec<usize>, Error> {
        let parameters: Vec<&(dyn ToSql + Sync)> =
            columns.columns.iter().map(columns::Column::as_parameter).collect();
        let rows = client.query(&columns::conflict_sql(shape), &parameters).await?;
        let place = |row: &tokio_postgres::Row| usize::try_from(row.get::<_, i64>(0) - 1).ok();
        Ok(rows.iter().filter_map(place).collect())
    }

    async fn instrument(
        &mut self,
        client: &impl GenericClient,
        place: usize,
        lease: i64,
        row: &InstrumentSeen,
    ) -> Result<(), Error> {
        // Its own lease alone: another one that holds vouches for nothing here.
        let (shards, fences, owner) = fence_parameters(self.fence);
        let own = usize::try_from(lease - 1).ok();
        let shards: Vec<&str> = own.and_then(|at| shards.get(at)).copied().into_iter().collect();
        let fences: Vec<i64> = own.and_then(|at| fences.get(at)).copied().into_iter().collect();
        let values = columns::instrument_values(row);
        let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&shards, &fences, &owner];
        parameters.extend(values.iter().map(|value| &**value));
        let answer = client.query_one(&self.prepared.instrument, &parameters).await?;
        let (held, is_new, is_same): (bool, bool, bool) = (answer.get(0), answer.get(1), answer.get(2));
        let one = Counts::default();
        let counts = match (held, is_new, is_same) {
            (false, ..) => {
                self.lose(place);
                Counts { fenced: 1, ..one }
            }
            (_, true, _) => Counts { new: 1, ..one },
            (.., true) => Counts { dup: 1, ..one },
            _ => {
                let key = self.batch.rows[place].key();
                let refused = Refused { table: Table::Instrument, key, why: Why::Conflict };
                self.plan.refused.insert(place, refused);
                Counts { refused: 1, ..one }
            }
        };
        self.plan.receipt.add(Table::Instrument, counts);
        Ok(())
    }
}

/// Shards, fences and owner, as a statement names them.
fn fence_parameters(fence: Option<&Fence>) -> (Vec<&str>, Vec<i64>, &str) {
    match fence {
        None => (Vec::new(), Vec::new(), ""),
        Some(fence) => (
            fence.leases.iter().map(|lease| lease.shard.as_str()).collect(),
            fence.leases.iter().map(|lease| lease.fence).collect(),
            &fence.owner,
        ),
    }
}
