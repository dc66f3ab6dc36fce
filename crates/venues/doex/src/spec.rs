//! What Doex is, as data: one [`Spec`] for spot and one for futures, built from a profile.
//!
//! The two products share names of markets, and no message says which it belongs to. So each has sockets of its
//! own, and the socket decides.

mod profile;

use core::num::NonZeroU32;
use core::time::Duration;

use venuekit_book::{Checksum, Early, Linkage};
use venuekit_venue::spec::{
    Ack, BookSpec, Budget, BudgetKey, ChannelSpec, ClientId, ClockSource, DeadMan, Draws, FrameCodec,
    Heartbeat, Hosts, KeyPlace, Login, Nonce, NumberForm, Numbers, OrderAck, OrderSpec, Paging, PagingSpec,
    PrivateModel, PrivateSpec, Rate, Refusal, Resync, RowIds, SignScheme, SnapshotSource, SocketLimits,
    SocketSpec, Spec, SubscribeSpec, Window,
};
use venuekit_venue::{AskKind, Channel, Interval, OrderType, Wallet};

pub(crate) use profile::{DEFAULT, Profile};
pub use profile::{Fact, ProfileError};

/// The index of the spot product.
pub const SPOT: usize = 0;
/// The index of the futures product.
pub const FUTURES: usize = 1;

/// The words of the products, which also name groups in the profile.
pub(crate) const PRODUCTS: [&str; 2] = ["spot", "futures"];

/// Names of fields, parameters and headers that hold no secret, in lower case. Those that do are `listenKey`,
/// `signature` and the header of the key.
#[rustfmt::skip]
pub(crate) const WORDS: [&str; 40] = [
    "lev", "lp", "mp", "fill", "x-doex-used-weight-1m", "x-doex-order-count-10s", "ismaker",
    "ordermargin", "positionmargin", "marginlevel", "assets", "walletbalance", "availablebalance",
    "unrealizedpnl", "borrowed", "interest", "positionamt", "isolatedmargin", "marginmode",
    "maintmarginrate", "copyid", "leadtraderid", "leadorderid", "fillid", "mirrorratio", "profitshare",
    "opentime", "amount", "tier", "volume30d", "minvolume30d", "pairs", "tiers", "maker", "taker",
    "countdownms", "read", "trade", "withdraw", "iprestricted",
];

/// Candles of any interval; specs compare kinds alone.
const CANDLES: Channel = Channel::Candles(Interval::M1);

/// One spec for each of [`PRODUCTS`].
pub(crate) fn specs(profile: &Profile) -> Vec<Spec> {
    (0..PRODUCTS.len()).map(|product| spec(profile, product)).collect()
}

fn spec(profile: &Profile, product: usize) -> Spec {
    let futures = product == FUTURES;
    let hosts = profile.hosts.iter().map(|(environment, hosts)| Hosts {
        environment: environment.clone(),
        rest: hosts.rest.clone(),
        stream: hosts.stream.clone(),
        others: Vec::new(),
        streams: Vec::new(),
    });
    Spec {
        venue: "doex".to_owned(),
        product: PRODUCTS[product].to_owned(),
        markets_of: None,
        hosts: hosts.collect(),
        sockets: sockets(profile, futures),
        subscribe: SubscribeSpec {
            batch: count(profile.socket.max_streams),
            one_channel: false,
            one_at_a_time: false,
            repeats: true,
            ack: Ack::PerRequest,
            refusals: vec![Refusal::Bound],
            within: seconds(profile.socket.ack_within_s),
        },
        books: vec![BookSpec {
            name: "depth".to_owned(),
            linkage: Linkage::Range { overlap: false },
            checksum: Checksum::None,
            early: Early::Buffer,
            snapshot: SnapshotSource::Rest,
            resync: Resync::Refetch,
            depths: Vec::new(),
            trim: None,
            rest_depths: profile.rest_depths(),
            usual_gap: millis(profile.book.usual_gap_ms),
        }],
        channels: channels(profile, futures),
        clock: ClockSource::Route,
        future_limit: Duration::from_millis(profile.signing.future_ms.into()),
        window: Duration::from_millis(profile.signing.recv_window_ms.into()),
        nonce: Nonce::None,
        sign: SignScheme::SortedQuery,
        budgets: budgets(profile),
        orders: Some(OrderSpec {
            ack: OrderAck::Result,
            client_id: ClientId::Unique,
            client_id_max: count(profile.orders.client_id_max),
            types: vec![OrderType::Limit, OrderType::Market, OrderType::StopMarket, OrderType::StopLimit],
            triggers: Vec::new(),
            reduce_only: futures,
            dead_man: DeadMan::Countdown,
        }),
        private: PrivateSpec {
            balances: PrivateModel::Delta,
            positions: if futures { PrivateModel::Delta } else { PrivateModel::None },
            orders: PrivateModel::Delta,
            fills: PrivateModel::Delta,
        },
        wallets: if futures { vec![Wallet::Futures] } else { vec![Wallet::Spot, Wallet::Margin] },
        asks: asks(futures),
        paging: paging(profile, futures),
        numbers: Numbers { read: NumberForm::Text, write: NumberForm::Text },
    }
}

fn sockets(profile: &Profile, futures: bool) -> Vec<SocketSpec> {
    let socket = &profile.socket;
    let beat = &profile.heartbeat;
    let heartbeats = vec![
        Heartbeat::ClientPing {
            every: seconds(beat.client_ping_s),
            within: seconds(beat.client_pong_within_s),
        },
        Heartbeat::ServerPing {
            every: seconds(beat.server_ping_s),
            within: seconds(beat.server_ping_s) * beat.server_ping_missed.get(),
        },
    ];
    let limits = SocketLimits {
        max_age: Some(seconds(socket.max_age_hours) * 3600),
        max_streams: count(socket.max_streams),
        client_messages: Some(Rate {
            count: socket.client_messages_per_second.get(),
            per: Duration::from_secs(1),
        }),
        ..SocketLimits::default()
    };
    let mut public = vec![Channel::Book, Channel::Trades, Channel::Ticker, CANDLES];
    let mut private = vec![Channel::Orders, Channel::Fills, Channel::Balances];
    if futures {
        public.push(Channel::Mark);
        private.push(Channel::Positions);
    }
    let login = Login::ListenKey {
        place: KeyPlace::Path,
        every: seconds(socket.listen_key_renew_minutes) * 60,
        life: seconds(socket.listen_key_minutes) * 60,
    };
    [(&socket.public_path, public, Login::None), (&socket.user_path, private, login)]
        .map(|(path, carries, login)| SocketSpec {
            origin: None,
            path: path.clone(),
            carries,
            login,
            codec: FrameCodec::Json,
            heartbeats: heartbeats.clone(),
            limits: limits.clone(),
        })
        .into()
}

fn channels(profile: &Profile, futures: bool) -> Vec<ChannelSpec> {
    let facts = &profile.channels;
    let ids = if facts.trade_ids_contiguous { RowIds::Contiguous } else { RowIds::Opaque };
    let gap = |ms| Some(millis(ms));
    let row = |channel, name: &str, linkage, resync, ids, usual_gap| ChannelSpec {
        channel,
        name: name.to_owned(),
        linkage,
        snapshot: false,
        resync,
        ids,
        usual_gap,
    };
    // Rows add up, so a lost frame needs a cure; of a ticker each frame is the whole, so the next one is the cure.
    let rows =
        |channel, name, ids, gap| row(channel, name, Linkage::Unnumbered, Resync::Resubscribe, ids, gap);
    let whole = |channel, name, gap| row(channel, name, Linkage::Replace, Resync::Await, RowIds::Opaque, gap);
    let mut channels = vec![
        rows(Channel::Trades, "trade", ids, None),
        rows(CANDLES, "kline", RowIds::Opaque, gap(facts.kline_usual_gap_ms)),
        whole(Channel::Ticker, "ticker", gap(facts.ticker_usual_gap_ms)),
        rows(Channel::Orders, "order", RowIds::Opaque, None),
        rows(Channel::Fills, "order", RowIds::Opaque, None),
        rows(Channel::Balances, "balance", RowIds::Opaque, None),
    ];
    if futures {
        channels.push(whole(Channel::Mark, "mark", gap(facts.mark_usual_gap_ms)));
        channels.push(rows(Channel::Positions, "position", RowIds::Opaque, None));
    }
    channels
}

fn budgets(profile: &Profile) -> Vec<Budget> {
    let budget = |name: &str, key, span, capacity: NonZeroU32, draws, header: &str| Budget {
        name: name.to_owned(),
        key,
        window: Window::Rolling(Duration::from_secs(span)),
        capacity: capacity.get(),
        draws,
        used_header: Some(header.to_ascii_lowercase()),
        limit_header: None,
        left_header: None,
    };
    let (facts, headers) = (&profile.budgets, &profile.headers);
    vec![
        budget("weight", BudgetKey::Ip, 60, facts.weight_per_minute, Draws::Weight, &headers.used_weight),
        budget("orders", BudgetKey::Account, 10, facts.orders_per_10s, Draws::Orders, &headers.order_count),
    ]
}

/// What can be asked of a product. Deposits, withdrawals and transfers are the account's and stand with spot, where
/// deposits arrive; copies are positions of futures.
fn asks(futures: bool) -> Vec<AskKind> {
    use AskKind::{
        Balances, Cancel, CancelAll, Candles, CopyPositions, CopyTrades, Countdown, Deposits, Depth,
        DropToken, Fees, Fills, Instruments, Mark, OpenOrders, OpenToken, Order, OrderHistory, Permissions,
        Place, Positions, RenewToken, Time, Trades, Transfers, Withdrawals,
    };
    let mut asks = vec![Instruments, Time, Depth, Trades, Candles, Permissions, Fees, Balances];
    asks.extend([OpenOrders, Order, OrderHistory, Fills, OpenToken, RenewToken, DropToken]);
    asks.extend([Place, Cancel, CancelAll, Countdown]);
    if futures {
        asks.extend([Mark, Positions, CopyPositions, CopyTrades]);
    } else {
        asks.extend([Deposits, Withdrawals, Transfers]);
    }
    asks
}

/// All histories of a product, by ascending id.
fn paging(profile: &Profile, futures: bool) -> Vec<PagingSpec> {
    use AskKind::{CopyTrades, Deposits, Fills, OrderHistory, Transfers, Withdrawals};
    let own: &[AskKind] = if futures { &[CopyTrades] } else { &[Deposits, Withdrawals, Transfers] };
    [OrderHistory, Fills]
        .iter()
        .chain(own)
        .map(|&ask| PagingSpec {
            ask,
            paging: Paging::IdUp,
            page: profile.history.page.get(),
            span: Some(seconds(profile.history.span_days) * 86_400),
        })
        .collect()
}

fn seconds(count: NonZeroU32) -> Duration {
    Duration::from_secs(count.get().into())
}

fn millis(count: NonZeroU32) -> Duration {
    Duration::from_millis(count.get().into())
}

fn count(count: NonZeroU32) -> usize {
    usize::try_from(count.get()).unwrap_or(usize::MAX)
}
