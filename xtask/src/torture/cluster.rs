//! Row D1: several workers on one database, killed, frozen, cut off, leaving and joining, and the database crashing.
//!
//! The judge is the database: triggers that exist in this test alone note each change of a lease, and whether whoever
//! writes a row holds the shard's lease at that moment. At the end the rows are held against the truth and against
//! those of one worker that saw the same simulator undisturbed.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::server::{Server, Way};
use super::{Dice, LOOK, Options, PATIENCE, Process, VENUES, get};
use crate::run;

/// A lease and a look: what the promise allows with the usual lease, and what is asserted with a shorter one too.
const UNOWNED_MAX: f64 = 13.0;
/// How long shards may take to be where they belong.
const REBALANCED_WITHIN: Duration = Duration::from_secs(30);
/// Parts of a venue's markets beside the buckets: spot and derivatives.
const KINDS: u16 = 2;

/// Notes each change of a lease, and each row whose writer does not hold its shard.
const JUDGE: &str = "
  CREATE TABLE lease_log (at timestamptz, shard text, owner text, fence bigint, expires timestamptz);
  CREATE FUNCTION log_lease() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO venuekit.lease_log VALUES (clock_timestamp(), NEW.shard, NEW.owner, NEW.fence, NEW.expires);
    RETURN NULL; END $$;
  CREATE TRIGGER log_lease AFTER INSERT OR UPDATE ON shard FOR EACH ROW EXECUTE FUNCTION log_lease();
  INSERT INTO lease_log SELECT clock_timestamp(), shard, owner, fence, expires FROM shard;
  CREATE TABLE verdict (is_stale boolean, what text);
  CREATE FUNCTION judge() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO venuekit.verdict SELECT NOT EXISTS (
      SELECT 1 FROM venuekit.market_shard m JOIN venuekit.shard s ON s.shard = m.shard
      WHERE m.venue = NEW.venue AND m.symbol = NEW.symbol AND s.owner = session_user AND s.expires > now()),
      TG_TABLE_NAME || ' ' || NEW.venue || ' ' || NEW.symbol || ' by ' || session_user;
    RETURN NULL; END $$;
  CREATE TRIGGER judge AFTER INSERT ON trade FOR EACH ROW EXECUTE FUNCTION judge();
  CREATE TRIGGER judge AFTER INSERT ON book_change FOR EACH ROW EXECUTE FUNCTION judge();
  CREATE TRIGGER judge AFTER INSERT ON ticker FOR EACH ROW EXECUTE FUNCTION judge();";

/// The longest that a shard was nobody's: given back, or run out, until somebody had it.
const UNOWNED: &str = "
  WITH spans AS (SELECT owner, expires, at, coalesce(lead(at) OVER (PARTITION BY shard ORDER BY at, fence, expires),
                   clock_timestamp()) AS until FROM lease_log)
  SELECT coalesce(max(extract(epoch FROM until - CASE WHEN owner = '' THEN at
                    ELSE least(greatest(expires, at), until) END)), 0) FROM spans";

/// One worker among several.
struct Member {
    name: String,
    health: SocketAddr,
    way: Way,
    process: Process,
}

struct Cluster {
    options: Options,
    binary: PathBuf,
    folder: PathBuf,
    server: Server,
    members: Vec<Member>,
    joined: u32,
    dice: Dice,
    /// The slowest that shards were where they belong after something happened.
    slowest: Duration,
}

/// Runs it all.
pub(super) fn run(options: &Options, binary: PathBuf, folder: &Path) -> Result<()> {
    let per_bucket = u16::try_from(VENUES.len()).expect("two") * KINDS;
    ensure!(options.workers >= 3, "fewer than three workers cannot lose one and still share");
    ensure!(options.shards >= per_bucket, "there are at least {per_bucket} shards, one a venue and kind");
    let (mut sim, venues) = super::simulate(options, &binary, folder)?;
    let buckets = options.shards / per_bucket;
    let lease = options.lease_seconds;
    let config = format!("[cluster]\nbuckets = {buckets}\nlease_seconds = {lease}\n{venues}");
    std::fs::write(folder.join("venuekit.toml"), config)?;
    std::fs::write(folder.join("lone.toml"), format!("[sink]\npath = \"lone.db\"\n{venues}"))?;
    let mut lone = Command::new(&binary);
    lone.arg("ingest").arg("--config").arg(folder.join("lone.toml")).args(["--health", "127.0.0.1:0"]);
    let mut lone = Process::start(&mut lone, &folder.join("lone.log"))?;
    let mut cluster = Cluster {
        options: options.clone(),
        binary,
        folder: folder.to_owned(),
        server: Server::start(folder.join("postgres"))?,
        members: Vec::new(),
        joined: 0,
        dice: Dice(options.seed),
        slowest: Duration::ZERO,
    };
    for _ in 0..options.workers {
        cluster.join()?;
    }
    cluster.settle("the start")?;
    cluster.appoint_judge(buckets)?;
    let began = Instant::now();
    cluster.torture()?;
    cluster.settle("all of it")?;
    let unowned = cluster.server.number(UNOWNED)?;
    let ran = began.elapsed();
    let fenced = cluster.end_members()?;
    let status = lone.end("-TERM")?;
    ensure!(status.code() == Some(143), "the lone worker ended with {status}: {}", lone.log());
    sim.end("-TERM")?;
    cluster.judge(unowned, fenced, ran)
}

impl Cluster {
    fn join(&mut self) -> Result<()> {
        let name = format!("m{}", self.joined);
        self.joined += 1;
        self.server.sql(&format!("CREATE ROLE {name} SUPERUSER LOGIN"))?;
        let way = self.server.way()?;
        let health = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let dsn = self.folder.join(format!("{name}.dsn"));
        std::fs::write(&dsn, format!("host=127.0.0.1 port={} user={name} dbname=postgres", way.port))?;
        std::fs::set_permissions(&dsn, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        let process = self.begin(&name, health)?;
        self.members.push(Member { name, health, way, process });
        Ok(())
    }

    fn begin(&self, name: &str, health: SocketAddr) -> Result<Process> {
        let mut command = Command::new(&self.binary);
        command.args(["ingest", "--cluster", "--member", name, "--quiet"]);
        command.arg("--config").arg(self.folder.join("venuekit.toml"));
        command.arg("--db").arg(self.folder.join(format!("{name}.db")));
        command.args(["--json", "--health", &health.to_string()]);
        command.env("VENUEKIT_CLUSTER_DSN_FILE", self.folder.join(format!("{name}.dsn")));
        Process::start(&mut command, &self.folder.join(format!("{name}.log")))
    }

    /// Everything that can happen to a cluster, in an order that the seed gives.
    fn torture(&mut self) -> Result<()> {
        type Blow = (&'static str, fn(&mut Cluster, usize) -> Result<()>);
        let mut blows: Vec<Blow> = vec![
            ("kill -9", Cluster::kill),
            ("SIGSTOP and SIGCONT", Cluster::freeze),
            ("cut from the database", Cluster::cut),
            ("leave and join", Cluster::leave_and_join),
            ("the database crashes", Cluster::crash_server),
        ];
        while !blows.is_empty() {
            let (name, blow) = blows.swap_remove(self.index(blows.len()));
            let victim = self.index(self.members.len());
            let began = Instant::now();
            blow(self, victim).with_context(|| name.to_owned())?;
            let unowned = self.server.number(UNOWNED)?;
            println!(
                "{name}: over in {:.1?}; no shard nobody's for longer than {unowned:.1} s",
                began.elapsed()
            );
        }
        Ok(())
    }

    fn index(&mut self, of: usize) -> usize {
        usize::try_from(self.dice.below(of as u64)).expect("below a usize")
    }

    fn kill(&mut self, victim: usize) -> Result<()> {
        self.members[victim].process.end("-KILL")?;
        let gone = self.members.remove(victim);
        self.settle("a member was killed")?;
        let process = self.begin(&gone.name, gone.health)?;
        self.members.push(Member { process, ..gone });
        self.settle("it was started again")
    }

    fn freeze(&mut self, victim: usize) -> Result<()> {
        run::pass_through(&mut self.members[victim].process.kill("-STOP"))?;
        thread::sleep(Duration::from_secs(self.options.frozen_seconds.max(self.options.lease_seconds + 3)));
        run::pass_through(&mut self.members[victim].process.kill("-CONT"))?;
        self.settle("a member woke up")
    }

    fn cut(&mut self, victim: usize) -> Result<()> {
        self.members[victim].way.is_cut.store(true, Ordering::Relaxed);
        thread::sleep(Duration::from_secs(self.options.lease_seconds + 5));
        self.members[victim].way.is_cut.store(false, Ordering::Relaxed);
        self.settle("a member was cut off")
    }

    fn leave_and_join(&mut self, victim: usize) -> Result<()> {
        let since = self.server.sql("SELECT now()")?.remove(0);
        let status = self.members[victim].process.end("-TERM")?;
        let gone = self.members.remove(victim);
        ensure!(status.code() == Some(143), "{} ended with {status}: {}", gone.name, gone.process.log());
        self.settle("a member left")?;
        self.moved_once(&since)?;
        let since = self.server.sql("SELECT now()")?.remove(0);
        self.join()?;
        self.settle("a member joined")?;
        self.moved_once(&since)
    }

    fn crash_server(&mut self, _: usize) -> Result<()> {
        self.server.down()?;
        thread::sleep(Duration::from_secs(1));
        self.server.up()?;
        self.settle("the database crashed")
    }

    /// No shard moved twice for one who came or went.
    fn moved_once(&self, since: &str) -> Result<()> {
        let moves = self.server.number(&format!(
            "SELECT coalesce(max(moves), 0) FROM (
               SELECT count(DISTINCT l.fence) AS moves FROM lease_log l
               WHERE at >= '{since}' AND owner <> '' AND NOT EXISTS (
                 SELECT 1 FROM lease_log b WHERE b.shard = l.shard AND b.fence = l.fence AND b.at < '{since}')
               GROUP BY shard) AS counted"
        ))?;
        ensure!(moves <= 1.0, "a shard moved {moves} times");
        Ok(())
    }

    /// Waits until every shard is held by a member that is there, every member is ready, and nothing moves any more.
    fn settle(&mut self, after: &str) -> Result<()> {
        let began = Instant::now();
        let names: Vec<String> = self.members.iter().map(|member| format!("'{}'", member.name)).collect();
        let held =
            format!("SELECT count(*) FROM shard WHERE expires > now() AND owner IN ({})", names.join(", "));
        let shards = f64::from(self.options.shards);
        let quiet = Duration::from_millis(self.options.lease_seconds * 300 * 2);
        let (mut fences, mut since) = (0.0_f64, Instant::now());
        loop {
            let sum = self.server.number("SELECT coalesce(sum(fence), 0) FROM shard").unwrap_or(-1.0);
            let all = self.server.number(&held).unwrap_or(-1.0);
            let is_ready = |member: &Member| {
                get(member.health, "/readyz").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
            };
            if all < shards || sum.to_bits() != fences.to_bits() || !self.members.iter().all(is_ready) {
                (fences, since) = (sum, Instant::now());
            } else if since.elapsed() >= quiet {
                self.slowest = self.slowest.max(since.duration_since(began));
                ensure!(
                    since.duration_since(began) <= REBALANCED_WITHIN,
                    "after {after} the shards moved for {:.1?}",
                    since.duration_since(began)
                );
                return Ok(());
            }
            for member in &mut self.members {
                if let Some(status) = member.process.child.try_wait()? {
                    bail!("after {after} {} ended with {status}: {}", member.name, member.process.log());
                }
            }
            if began.elapsed() > 2 * PATIENCE {
                let said: Vec<String> = self
                    .members
                    .iter()
                    .map(|member| {
                        format!("{}: {}", member.name, get(member.health, "/readyz").unwrap_or_default())
                    })
                    .collect();
                bail!(
                    "after {after} it does not come to rest: {all} of {shards} shards are held; {}",
                    said.join("; ")
                );
            }
            thread::sleep(10 * LOOK);
        }
    }

    /// Lets the database note who writes what under which lease.
    fn appoint_judge(&self, buckets: u16) -> Result<()> {
        let markets = self.server.sql("SELECT venue || ' ' || symbol FROM instrument GROUP BY 1")?;
        ensure!(!markets.is_empty(), "no instruments are stored");
        let row = |market: &String| {
            let (venue, symbol) = market.split_once(' ')?;
            let kind = if symbol.contains(':') { "swap" } else { "spot" };
            let bucket = hash(symbol) % u64::from(buckets);
            Some(format!("('{venue}', '{symbol}', '{venue}/{kind}/{bucket}')"))
        };
        let rows: Vec<String> = markets.iter().filter_map(row).collect();
        self.server.sql(&format!(
            "CREATE TABLE market_shard (venue text, symbol text, shard text, PRIMARY KEY (venue, symbol));
             INSERT INTO market_shard VALUES {}; {JUDGE}",
            rows.join(", ")
        ))?;
        Ok(())
    }

    /// Ends every member; how many rows of theirs a fence turned away.
    fn end_members(&mut self) -> Result<u64> {
        for member in &self.members {
            run::pass_through(&mut member.process.kill("-TERM"))?;
        }
        let mut fenced = 0;
        for member in &mut self.members {
            let status = member.process.end("-CONT")?;
            ensure!(
                status.code() == Some(143),
                "{} ended with {status}: {}",
                member.name,
                member.process.log()
            );
            let summary = member.process.lines.try_iter().last().context("a member prints its summary")?;
            let summary: serde_json::Value = serde_json::from_str(&summary)?;
            fenced += summary["cluster"]["rows_fenced"].as_u64().context("the summary counts fenced rows")?;
        }
        Ok(fenced)
    }

    fn judge(&self, unowned: f64, fenced: u64, ran: Duration) -> Result<()> {
        let (judged, stale) = (
            self.server.number("SELECT count(*) FROM verdict")?,
            self.server.number("SELECT count(*) FROM verdict WHERE is_stale")?,
        );
        let tables = [
            ("world", "SELECT venue, kind, identity FROM world"),
            ("trade", "SELECT venue, symbol, trade_id, price, qty, side, ts_venue, ts_local FROM trade ORDER BY ts_local"),
            (
                "book_change",
                "SELECT venue, symbol, epoch, first_seq, last_seq, is_snapshot::int AS is_snapshot, bids, asks, ts_local
                 FROM book_change",
            ),
            ("gap", "SELECT venue, symbol, channel, detected_at, healed_at, cause FROM gap ORDER BY detected_at"),
        ];
        let database = self.folder.join("cluster.db");
        let mut load = run::program("python3");
        load.args(["-B", "xtask/cluster_rows.py", "load"]).arg(&database);
        for (table, query) in tables {
            let file = self.folder.join(format!("{table}.csv"));
            self.server.export(query, &file)?;
            load.arg(format!("{table}={}", file.display()));
        }
        run::pass_through(&mut load)?;
        let mut check = run::program("python3");
        check.args(["-B", "xtask/verify_db.py"]).arg(&database).arg(self.folder.join("truth.ndjson"));
        print!("{}", String::from_utf8(run::output(check.arg("--allow-absent"))?)?);
        let mut compare = run::program("python3");
        compare
            .args(["-B", "xtask/cluster_rows.py", "compare"])
            .arg(&database)
            .arg(self.folder.join("lone.db"));
        print!("{}", String::from_utf8(run::output(&mut compare)?)?);
        ensure!(judged > 0.0, "the database judged nothing");
        ensure!(
            stale == 0.0,
            "{stale} rows under a stale fence: {:?}",
            self.server.sql("SELECT what FROM verdict WHERE is_stale LIMIT 5")?
        );
        ensure!(unowned <= UNOWNED_MAX, "a shard was nobody's for {unowned} s");
        println!(
            "SEED={}: {} workers, {} shards, lease {} s, {:.0?}: {judged} rows judged, 0 under a stale fence, {fenced} \
             turned away; no shard nobody's for longer than {unowned:.1} s; at rest within {:.1?}; not done: a clock \
             an hour off, which needs libfaketime",
            self.options.seed,
            self.options.workers,
            self.options.shards,
            self.options.lease_seconds,
            ran,
            self.slowest,
        );
        Ok(())
    }
}

/// The cut by name, written anew: FNV-1a over the symbol and a byte that no name has, mixed.
fn hash(symbol: &str) -> u64 {
    let mut state = 0xCBF2_9CE4_8422_2325_u64;
    for byte in symbol.bytes().chain([0xFF]) {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    }
    state = (state ^ (state >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    state ^ (state >> 29)
}
