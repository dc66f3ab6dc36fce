//! What frames and answers mean, what is said, what a refusal means; and that nothing which arrives is a panic.

use proptest::prelude::*;
use rust_decimal::Decimal;
use venuekit_binance::{Binance, SPOT, USDM};
use venuekit_sign::Credentials;
use venuekit_types::{Instrument, Kind, Side, Status, UnixNanos};
use venuekit_venue::{
    AckOf, Ask, AskKind, Body, BrokenWhy, Catalog, Channel, Control, Data, DataKind, Event, EventBuf, Fault,
    FaultKind, HttpReply, Interval, MarginMode, MarketId, MovementStatus, NewOrder, OrderRef, OrderStatus,
    OrderType, Page, Place, Retry, Row, Say, Stamp, TimeInForce, Topic, Venue, Wallet,
};

const SPOT_TERMS: &str = r#"{"symbols":[
 {"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT","filters":[
  {"filterType":"PRICE_FILTER","minPrice":"0.01000000","maxPrice":"1000000.00000000","tickSize":"0.01000000"},
  {"filterType":"LOT_SIZE","minQty":"0.00001000","maxQty":"9000.00000000","stepSize":"0.00001000"},
  {"filterType":"NOTIONAL","minNotional":"5.00000000","applyMinToMarket":true}]},
 {"symbol":"PEPEUSDT","status":"CANCEL_ONLY","baseAsset":"PEPE","quoteAsset":"USDT","filters":[
  {"filterType":"PRICE_FILTER","minPrice":"0.00000001","maxPrice":"1000.00000000","tickSize":"0.00000001"},
  {"filterType":"LOT_SIZE","minQty":"1.00","maxQty":"46116860414.00","stepSize":"1.00"},
  {"filterType":"MIN_NOTIONAL","minNotional":"1.00"}]},
 {"symbol":"A/B","status":"TRADING","baseAsset":"A","quoteAsset":"B","filters":[]}]}"#;

const USDM_TERMS: &str = r#"{"symbols":[
 {"symbol":"BTCUSDT","status":"TRADING","contractType":"PERPETUAL","baseAsset":"BTC","quoteAsset":"USDT","marginAsset":"USDT","filters":[
  {"filterType":"PRICE_FILTER","minPrice":"556.80","maxPrice":"4529764","tickSize":"0.10"},
  {"filterType":"LOT_SIZE","minQty":"0.001","maxQty":"1000","stepSize":"0.001"},
  {"filterType":"MIN_NOTIONAL","notional":"100"}]},
 {"symbol":"BTCUSDT_260925","status":"TRADING","contractType":"CURRENT_QUARTER","baseAsset":"BTC","quoteAsset":"USDT","marginAsset":"USDT","filters":[
  {"filterType":"PRICE_FILTER","minPrice":"0","maxPrice":"0","tickSize":"0.1"},
  {"filterType":"LOT_SIZE","minQty":"0","maxQty":"0","stepSize":"0"}]},
 {"symbol":"BTCSTUSDT","status":"PENDING_TRADING","contractType":"","baseAsset":"BTCST","quoteAsset":"USDT","marginAsset":"USDT","filters":[]}]}"#;

struct Desk {
    product: usize,
    catalog: Catalog,
}

impl Desk {
    fn new(product: usize) -> Desk {
        let mut desk = Desk { product, catalog: Catalog::new() };
        let out = desk.answer(&Ask::Instruments, if product == USDM { USDM_TERMS } else { SPOT_TERMS });
        for instrument in out.expect("the list reads").instruments {
            desk.catalog.put(instrument);
        }
        desk
    }

    fn place(&self) -> Place<'_> {
        Place { product: self.product, socket: 0, catalog: &self.catalog }
    }

    fn decode(&self, frame: &str) -> EventBuf {
        let mut out = EventBuf::new();
        Binance::new().decode(self.place(), frame.as_bytes(), &mut out);
        out
    }

    fn reply(&self, ask: &Ask, status: u16, body: &str) -> Result<EventBuf, Fault> {
        let mut out = EventBuf::new();
        let headers = [("retry-after".to_owned(), "7".to_owned())];
        let reply = HttpReply { status, headers: &headers, body: body.as_bytes() };
        Binance::new().answer(self.place(), ask, &reply, &mut out).map(|()| out)
    }

    fn answer(&self, ask: &Ask, body: &str) -> Result<EventBuf, Fault> {
        self.reply(ask, 200, body)
    }

    /// The rows that were told of a channel, and whether they are the whole.
    fn rows(&self, out: &EventBuf, channel: Channel) -> (DataKind, Vec<Row>) {
        let told = out.events.iter().find_map(|event| match event {
            Event::Data(Data { topic, kind, body: Body::Rows(range), .. }) if topic.channel == channel => {
                Some((*kind, out.rows[range.clone()].to_vec()))
            }
            _ => None,
        });
        told.unwrap_or_else(|| panic!("no rows of {channel}: {:?}", out.events))
    }
}

fn decimal(text: &str) -> Decimal {
    text.parse().expect("a decimal")
}

const BTC: MarketId = MarketId(0);

#[test]
fn markets_are_read_with_room_for_what_is_older_than_their_grid() {
    let spot = Desk::new(SPOT);
    let of = |desk: &Desk, name: &str| -> Instrument { desk.catalog.find(name).expect("listed").1.clone() };
    let btc = of(&spot, "BTCUSDT");
    assert_eq!((btc.symbol.as_str(), btc.kind, btc.status), ("BTC/USDT", Kind::Spot, Status::Trading));
    assert_eq!((btc.price_scale.digits(), btc.tick.0), (8, 1_000_000));
    assert_eq!((btc.qty_scale.digits(), btc.step.0), (8, 1_000));
    assert_eq!(btc.max_qty.map(|qty| qty.0), Some(900_000_000_000));
    assert_eq!(btc.min_notional.map(|least| least.to_string()).as_deref(), Some("5"));
    assert_eq!(btc.contract_size, None);
    // A hundred of the largest orders on one level can still be counted.
    let pepe = of(&spot, "PEPEUSDT");
    assert_eq!((pepe.qty_scale.digits(), pepe.status), (5, Status::Halted));
    assert!(pepe.max_qty.expect("a bound").0.checked_mul(100).is_some());
    let usdm = Desk::new(USDM);
    let perpetual = of(&usdm, "BTCUSDT");
    assert_eq!((perpetual.symbol.as_str(), perpetual.kind), ("BTC/USDT:USDT", Kind::Perpetual));
    assert_eq!(perpetual.min_notional.map(|least| least.to_string()).as_deref(), Some("100"));
    assert_eq!(perpetual.contract_size.map(|size| size.to_string()).as_deref(), Some("1"));
    let dated = of(&usdm, "BTCUSDT_260925");
    assert_eq!((dated.symbol.as_str(), dated.kind), ("BTC/USDT:USDT-260925", Kind::Future));
    assert_eq!((dated.step.0, dated.max_qty, dated.min_notional), (0, None, None));
    assert_eq!(usdm.catalog.len(), 2, "what is not open yet is passed over");
    // A name that means something in a URL costs itself alone.
    let out = spot.answer(&Ask::Instruments, SPOT_TERMS).expect("the list reads");
    assert!(
        matches!(&out.events[..], [Event::Broken(broken)] if broken.detail.contains("A/B")),
        "{:?}",
        out.events
    );
}

#[test]
fn subscriptions_are_batched_under_the_venues_names() {
    let said = |desk: &Desk, topics: &[Topic]| {
        let mut bytes = Vec::new();
        let say = Say::Subscribe { id: 7, topics, pass: None };
        Binance::new().say(desk.place(), say, &mut bytes).then(|| String::from_utf8(bytes).expect("text"))
    };
    let topics = [Channel::Book, Channel::Trades, Channel::Ticker, Channel::Candles(Interval::H1)];
    let topics = topics.map(|channel| Topic::of(channel, BTC));
    assert_eq!(
        said(&Desk::new(SPOT), &topics).as_deref(),
        Some(
            r#"{"method":"SUBSCRIBE","params":["btcusdt@depth@100ms","btcusdt@trade","btcusdt@ticker","btcusdt@kline_1h"],"id":7}"#
        )
    );
    let mark = [Topic::of(Channel::Trades, BTC), Topic::of(Channel::Mark, BTC)];
    assert_eq!(
        said(&Desk::new(USDM), &mark).as_deref(),
        Some(r#"{"method":"SUBSCRIBE","params":["btcusdt@aggTrade","btcusdt@markPrice@1s"],"id":7}"#)
    );
    assert_eq!(said(&Desk::new(SPOT), &mark), None, "spot has no mark");
    assert_eq!(said(&Desk::new(USDM), &[Topic::account(Channel::Orders)]), None, "it starts by itself");
}

#[test]
fn a_login_is_signed_and_answered() {
    let desk = Desk::new(SPOT);
    let who = Credentials::new("vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zv", "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP");
    let mut bytes = Vec::new();
    let say =
        Say::Login { credentials: &who, challenge: None, at: UnixNanos::from_millis(1_700_000_000_123) };
    assert!(Binance::new().say(desk.place(), say, &mut bytes));
    let text = "apiKey=vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zv&timestamp=1700000000123";
    let signature = venuekit_sign::binance::sign(&who.secret, text.as_bytes()).expect("an HMAC secret");
    let expected = format!(
        r#"{{"id":"login","method":"userDataStream.subscribe.signature","params":{{"apiKey":"{}","signature":"{signature}","timestamp":1700000000123}}}}"#,
        who.key
    );
    assert_eq!(String::from_utf8(bytes).expect("text"), expected);
    let control = |frame: &str| match &desk.decode(frame).events[..] {
        [Event::Control(control)] => control.clone(),
        events => panic!("{events:?}"),
    };
    assert_eq!(control(r#"{"id":"login","status":200,"result":{"subscriptionId":0}}"#), Control::LoggedIn);
    let refused = |code: i64, status: u16| {
        let frame = format!(r#"{{"id":"login","status":{status},"error":{{"code":{code},"msg":"no"}}}}"#);
        match control(&frame) {
            Control::LoginRefused(fault) => (fault.kind, fault.retry),
            control => panic!("{control:?}"),
        }
    };
    assert_eq!(refused(-2015, 401), (FaultKind::Credentials, Retry::Never));
    assert_eq!(refused(-1021, 400), (FaultKind::Clock, Retry::Resync));
    assert_eq!(control(r#"{"result":null,"id":3}"#), Control::Ack(AckOf::Request(3)));
    assert_eq!(control(r#"{"event":{"e":"serverShutdown","E":1}}"#), Control::Leaving);
    assert_eq!(
        control(r#"{"subscriptionId":0,"event":{"e":"eventStreamTerminated","E":1}}"#),
        Control::KeyExpired
    );
    // A secret of the wrong kind makes no frame, and is named.
    let rsa = Credentials::new("k", "-----BEGIN RSA PRIVATE KEY-----\nMIIC\n-----END RSA PRIVATE KEY-----");
    let say = Say::Login { credentials: &rsa, challenge: None, at: UnixNanos(0) };
    assert!(!Binance::new().say(desk.place(), say, &mut Vec::new()));
    let mut request = Binance::new().ask(desk.place(), &Ask::Permissions).expect("a request");
    let stamp = Stamp { at: UnixNanos(0), window: None, nonce: 0 };
    let fault = Binance::new().sign(desk.place(), &mut request, &rsa, stamp).expect_err("RSA");
    assert_eq!(fault.kind, FaultKind::Credentials);
    assert!(fault.text.contains("Ed25519"), "{fault}");
}

const EXECUTION: &str = r#"{"subscriptionId":0,"event":{"e":"executionReport","E":1499405658658,"s":"BTCUSDT","c":"cancel-1","S":"SELL","o":"LIMIT_MAKER","f":"GTC","q":"2.0","p":"100.5","P":"0.0","g":-1,"C":"mine","x":"TRADE","X":"PARTIALLY_FILLED","r":"NONE","i":4293153,"l":"0.5","z":"1.5","L":"100.50","n":"0.01","N":"BNB","T":1499405658657,"t":77,"I":1,"w":true,"m":true,"O":1499405658000,"Z":"150.75"}}"#;

#[test]
fn a_spot_execution_is_an_order_and_a_fill() {
    let desk = Desk::new(SPOT);
    let out = desk.decode(EXECUTION);
    let (_, orders) = desk.rows(&out, Channel::Orders);
    let [Row::Order(order)] = &orders[..] else { panic!("{orders:?}") };
    assert_eq!((order.order_id.as_str(), order.client_order_id.as_deref()), ("4293153", Some("mine")));
    assert_eq!((order.side, order.order_type.as_deref()), (Some(Side::Sell), Some("limit")));
    assert_eq!((order.post_only, order.status), (Some(true), Some(OrderStatus::PartiallyFilled)));
    assert_eq!((order.cum_qty, order.avg_px), (Some(decimal("1.5")), Some(decimal("100.5"))));
    assert_eq!(order.stop_price, None, "zero is none");
    let (_, fills) = desk.rows(&out, Channel::Fills);
    let [Row::Fill(fill)] = &fills[..] else { panic!("{fills:?}") };
    assert_eq!((fill.fill_id.as_str(), fill.qty, fill.price), ("77", decimal("0.5"), decimal("100.50")));
    assert_eq!((fill.fee, fill.fee_asset.as_deref(), fill.maker), (decimal("0.01"), Some("BNB"), true));
    // Without a trade there is no fill.
    let placed = EXECUTION.replace(r#""x":"TRADE""#, r#""x":"NEW""#).replace(r#""t":77"#, r#""t":-1"#);
    assert_eq!(desk.decode(&placed).events.len(), 1);
}

#[test]
fn a_futures_update_is_an_order_and_a_fill() {
    let desk = Desk::new(USDM);
    let frame = r#"{"e":"ORDER_TRADE_UPDATE","T":1568879465651,"E":1568879465652,"o":{"s":"BTCUSDT","c":"autoclose-1","S":"SELL","o":"LIMIT","f":"GTX","q":"0.020","p":"45000","ap":"45000","sp":"0","x":"CALCULATED","X":"NEW_INSURANCE","i":8887003,"l":"0.020","z":"0.020","L":"45000","N":"USDT","n":"0.45","T":1568879465651,"t":12346003,"m":false,"R":true,"ps":"BOTH","rp":"-8.00"}}"#;
    let out = desk.decode(frame);
    let (_, orders) = desk.rows(&out, Channel::Orders);
    let [Row::Order(order)] = &orders[..] else { panic!("{orders:?}") };
    assert_eq!((order.status, order.reduce_only), (Some(OrderStatus::Filled), Some(true)));
    assert_eq!((order.time_in_force.as_deref(), order.post_only), (Some("GTC"), Some(true)));
    let (_, fills) = desk.rows(&out, Channel::Fills);
    let [Row::Fill(fill)] = &fills[..] else { panic!("{fills:?}") };
    assert_eq!((fill.realized_pnl, fill.fee), (Some(decimal("-8.00")), decimal("0.45")));
}

#[test]
fn a_futures_account_tells_balances_and_one_way_positions() {
    let desk = Desk::new(USDM);
    let update = |side: &str, amount: &str| {
        format!(
            r#"{{"e":"ACCOUNT_UPDATE","E":2,"T":1,"a":{{"m":"ORDER","B":[{{"a":"USDT","wb":"100.5","cw":"100.5","bc":"0"}}],"P":[{{"s":"BTCUSDT","pa":"{amount}","ep":"6563.8","up":"-1.5","mt":"isolated","iw":"12","ps":"{side}"}}]}}}}"#
        )
    };
    let out = desk.decode(&update("BOTH", "-10"));
    let (_, balances) = desk.rows(&out, Channel::Balances);
    let [Row::Balance(balance)] = &balances[..] else { panic!("{balances:?}") };
    assert_eq!((balance.wallet.as_str(), balance.free), ("futures", Some(decimal("100.5"))));
    let (_, positions) = desk.rows(&out, Channel::Positions);
    let [Row::Position(position)] = &positions[..] else { panic!("{positions:?}") };
    assert_eq!((position.qty, position.margin_mode), (Some(decimal("-10")), Some(MarginMode::Isolated)));
    // The wallet says the same by REST.
    let body = r#"{"assets":[{"asset":"USDT","walletBalance":"100.5","unrealizedProfit":"-1.5","positionInitialMargin":"30","openOrderInitialMargin":"5","availableBalance":"64"}]}"#;
    let out = desk.answer(&Ask::Balances { wallet: Wallet::Futures }, body).expect("it reads");
    let (kind, rows) = desk.rows(&out, Channel::Balances);
    let [Row::Balance(same)] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!((kind, same.free, same.locked), (DataKind::Snapshot, balance.free, balance.locked));
    // Hedge mode has two positions in a market, and one of them would be lost.
    let out = desk.decode(&update("LONG", "20"));
    let broken = out.events.iter().find_map(|event| match event {
        Event::Broken(broken) => Some(broken),
        _ => None,
    });
    let broken = broken.expect("it does not read");
    assert_eq!(broken.topic, Some(Topic::account(Channel::Positions)));
    assert!(broken.detail.contains("one-way"), "{}", broken.detail);
    assert!(desk.decode(&update("LONG", "0")).events.iter().all(|event| !matches!(event, Event::Broken(_))));
}

#[test]
fn every_wallet_is_a_ledger_of_its_own() {
    let desk = Desk::new(SPOT);
    let told = |wallet, body: &str| {
        let (kind, rows) =
            desk.rows(&desk.answer(&Ask::Balances { wallet }, body).expect("it reads"), Channel::Balances);
        assert_eq!(kind, DataKind::Snapshot);
        let of = |row: Row| match row {
            Row::Balance(row) => {
                let numbers = [row.free, row.locked, row.borrowed, row.interest];
                (row.wallet, row.asset, numbers.map(|number| number.map(|n| n.normalize().to_string())))
            }
            row => panic!("{row:?}"),
        };
        rows.into_iter().map(of).collect::<Vec<_>>()
    };
    let row = |wallet: &str, asset: &str, numbers: [&str; 4]| {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        (wallet.to_owned(), asset.to_owned(), numbers.map(some))
    };
    assert_eq!(
        told(Wallet::Spot, r#"{"canTrade":true,"balances":[{"asset":"BTC","free":"1.5","locked":"0.5"}]}"#),
        [row("spot", "BTC", ["1.5", "0.5", "", ""])]
    );
    let margin =
        r#"{"asset":"USDT","borrowed":"3","free":"4","interest":"0.1","locked":"2","netAsset":"2.9"}"#;
    assert_eq!(
        told(Wallet::Margin, &format!(r#"{{"userAssets":[{margin}]}}"#)),
        [row("margin", "USDT", ["4", "2", "3", "0.1"])]
    );
    let base = margin.replace("USDT", "BTC");
    let isolated =
        format!(r#"{{"assets":[{{"symbol":"BTCUSDT","baseAsset":{base},"quoteAsset":{margin}}}]}}"#);
    assert_eq!(
        told(Wallet::Isolated, &isolated),
        [
            row("isolated:BTCUSDT", "BTC", ["4", "2", "3", "0.1"]),
            row("isolated:BTCUSDT", "USDT", ["4", "2", "3", "0.1"])
        ]
    );
    let funding = r#"[{"asset":"USDT","free":"1","locked":"2","freeze":"3","withdrawing":"4"}]"#;
    assert_eq!(told(Wallet::Funding, funding), [row("funding", "USDT", ["1", "9", "", ""])]);
    // One that was never opened is empty; the spot wallet is always there.
    let none = r#"{"code":-3003,"msg":"Margin account does not exist."}"#;
    let out = desk.reply(&Ask::Balances { wallet: Wallet::Margin }, 400, none).expect("empty");
    assert_eq!(desk.rows(&out, Channel::Balances), (DataKind::Snapshot, vec![]));
    assert!(desk.reply(&Ask::Balances { wallet: Wallet::Funding }, 404, "<html>").is_ok());
    assert!(desk.reply(&Ask::Balances { wallet: Wallet::Spot }, 404, "<html>").is_err());
}

#[test]
fn movements_are_told_with_their_wallets_and_times() {
    let (spot, usdm) = (Desk::new(SPOT), Desk::new(USDM));
    let one = |desk: &Desk, ask: &Ask, body: &str| {
        let (_, rows) = desk.rows(&desk.answer(ask, body).expect("it reads"), Channel::Balances);
        match &rows[..] {
            [Row::Movement(movement)] => (**movement).clone(),
            rows => panic!("{rows:?}"),
        }
    };
    let page = Page::default;
    let withdrawal = one(
        &spot,
        &Ask::Withdrawals { page: page() },
        r#"[{"id":"b6ae","amount":"8.91","transactionFee":"0.004","coin":"USDT","status":6,"address":"0x94df","txId":"0xb5ef","applyTime":"2019-10-12 11:12:02","network":"ETH"}]"#,
    );
    assert_eq!((withdrawal.status, withdrawal.fee), (MovementStatus::Completed, Some(decimal("0.004"))));
    assert_eq!(withdrawal.at, UnixNanos::from_millis(1_570_878_722_000));
    let transfer = one(
        &spot,
        &Ask::Transfers { page: page() },
        r#"{"rows":[{"amount":"0.1","asset":"BNB","status":"CONFIRMED","timestamp":1566898617000,"txId":5240372201,"type":"ROLL_IN","transFrom":"SPOT","transTo":"ISOLATED_MARGIN"}],"total":1}"#,
    );
    assert_eq!((transfer.from, transfer.to), (Some(Wallet::Spot), Some(Wallet::Isolated)));
    let income = r#"[{"symbol":"","incomeType":"TRANSFER","income":"-0.375","asset":"USDT","time":1570608000000,"tranId":9689322392}]"#;
    let out = one(&usdm, &Ask::Transfers { page: page() }, income);
    assert_eq!((out.from, out.to, out.amount), (Some(Wallet::Futures), None, decimal("0.375")));
}

fn order(order_type: OrderType) -> NewOrder {
    let number = |text: &str| text.parse().expect("a number");
    NewOrder {
        market: BTC,
        client_order_id: "mine".to_owned(),
        side: Side::Buy,
        order_type,
        time_in_force: None,
        qty: number("0.50000000"),
        price: order_type.has_price().then(|| number("100.10000000")),
        stop_price: order_type.has_trigger().then(|| number("99")),
        trigger_by: None,
        post_only: false,
        reduce_only: false,
    }
}

#[test]
fn orders_are_written_in_each_products_words() {
    let form = |product, order: NewOrder| {
        let request = Binance::new().ask(Desk::new(product).place(), &Ask::Place(Box::new(order)))?;
        assert_eq!((request.kind, request.orders), (AskKind::Place, 1));
        Some(String::from_utf8(request.body).expect("a form"))
    };
    let limit =
        "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.5&price=100.1&newClientOrderId=mine";
    assert_eq!(form(SPOT, order(OrderType::Limit)), Some(format!("{limit}&newOrderRespType=FULL")));
    assert_eq!(form(USDM, order(OrderType::Limit)), Some(format!("{limit}&newOrderRespType=RESULT")));
    let maker =
        |product| form(product, NewOrder { post_only: true, ..order(OrderType::Limit) }).expect("a form");
    assert!(maker(SPOT).contains("type=LIMIT_MAKER&quantity"), "and no time in force: {}", maker(SPOT));
    assert!(maker(USDM).contains("type=LIMIT&timeInForce=GTX"));
    let fok = NewOrder { time_in_force: Some(TimeInForce::Fok), ..order(OrderType::Limit) };
    assert!(form(USDM, fok).expect("a form").contains("timeInForce=FOK"));
    for (force, is_sent) in [(TimeInForce::Gtc, false), (TimeInForce::Fok, false), (TimeInForce::Ioc, true)] {
        let market = NewOrder { time_in_force: Some(force), ..order(OrderType::Market) };
        assert_eq!(form(SPOT, market).is_some(), is_sent, "a market order cannot wait");
    }
    let reduce = |product| form(product, NewOrder { reduce_only: true, ..order(OrderType::Market) });
    assert!(reduce(USDM).expect("a form").ends_with("reduceOnly=true&newOrderRespType=RESULT"));
    assert_eq!(reduce(SPOT), None);
    for (kind, word) in [
        (OrderType::StopMarket, "type=STOP_LOSS&quantity=0.5&stopPrice=99"),
        (OrderType::StopLimit, "type=STOP_LOSS_LIMIT&timeInForce=GTC&quantity=0.5&price=100.1&stopPrice=99"),
        (OrderType::TakeProfitMarket, "type=TAKE_PROFIT&quantity=0.5&stopPrice=99"),
        (
            OrderType::TakeProfitLimit,
            "type=TAKE_PROFIT_LIMIT&timeInForce=GTC&quantity=0.5&price=100.1&stopPrice=99",
        ),
    ] {
        assert!(form(SPOT, order(kind)).expect("a form").contains(word), "{kind:?}");
        assert_eq!(form(USDM, order(kind)), None, "{kind:?} has a route of its own");
    }
}

#[test]
fn an_order_that_filled_at_once_brings_its_fills_and_must_be_the_one_that_was_placed() {
    let desk = Desk::new(SPOT);
    let body = r#"{"symbol":"BTCUSDT","orderId":28,"orderListId":-1,"clientOrderId":"mine","transactTime":1507725176595,"price":"0.0","origQty":"10.0","executedQty":"10.0","cummulativeQuoteQty":"30.0","status":"FILLED","timeInForce":"GTC","type":"MARKET","side":"SELL","fills":[{"price":"4000.0","qty":"1.0","commission":"4.0","commissionAsset":"USDT","tradeId":56}]}"#;
    let place = Ask::Place(Box::new(order(OrderType::Market)));
    let out = desk.answer(&place, body).expect("it reads");
    let (_, orders) = desk.rows(&out, Channel::Orders);
    assert!(matches!(&orders[..], [Row::Order(order)] if order.avg_px == Some(decimal("3"))), "{orders:?}");
    let (_, fills) = desk.rows(&out, Channel::Fills);
    assert!(matches!(&fills[..], [Row::Fill(fill)] if fill.fill_id == "56" && fill.side == Side::Sell));
    for other in [body.replace("mine", "yours"), body.replace("BTCUSDT", "ETHUSDT")] {
        assert_eq!(desk.answer(&place, &other).expect_err("another's").kind, FaultKind::Unreadable);
    }
    // A cancellation has an id of its own; the order's stands beside it.
    let cancelled = r#"{"symbol":"BTCUSDT","origClientOrderId":"mine","orderId":28,"clientOrderId":"cancel-1","status":"CANCELED","side":"BUY","type":"LIMIT","origQty":"1","executedQty":"0"}"#;
    let cancel = Ask::Cancel { market: BTC, order: OrderRef::Client("mine".to_owned()) };
    let out = desk.answer(&cancel, cancelled).expect("it reads");
    let (_, orders) = desk.rows(&out, Channel::Orders);
    assert!(matches!(&orders[..], [Row::Order(order)] if order.client_order_id.as_deref() == Some("mine")));
}

#[test]
fn refusals_say_who_must_act() {
    let check = |product, status: u16, body: &str, kind: FaultKind, retry: Retry| {
        let fault = Desk::new(product).reply(&Ask::Permissions, status, body).expect_err(body);
        assert_eq!((fault.kind, fault.retry), (kind, retry), "{product} {status} {body}");
        let says = kind == FaultKind::Unreadable || fault.text.contains("; ");
        assert!(says, "what happened, and what to do: {}", fault.text);
    };
    let code = |code: i64, msg: &str| format!(r#"{{"code":{code},"msg":"{msg}"}}"#);
    let wait = Retry::After(core::time::Duration::from_secs(7));
    for product in [SPOT, USDM] {
        check(product, 429, &code(-1003, "Too many requests"), FaultKind::RateLimited, wait);
        check(product, 418, &code(-1003, "banned until"), FaultKind::Banned, wait);
        check(product, 403, "<html>", FaultKind::Banned, wait);
        check(product, 503, &code(-1007, "Timeout"), FaultKind::Unavailable, wait);
        check(product, 400, &code(-1007, "Timeout"), FaultKind::Unavailable, wait);
        check(product, 400, &code(-1021, "Timestamp"), FaultKind::Clock, Retry::Resync);
        check(product, 401, &code(-2015, "Invalid API-key"), FaultKind::Credentials, Retry::Never);
        check(product, 400, &code(-1022, "Signature"), FaultKind::Credentials, Retry::Never);
        check(product, 400, &code(-2013, "Order does not exist."), FaultKind::NotFound, Retry::Never);
        check(product, 400, &code(-2010, "insufficient balance"), FaultKind::Rejected, Retry::Never);
        check(product, 400, &code(-2011, "Unknown order sent."), FaultKind::NotFound, Retry::Never);
        check(product, 400, &code(-2011, "cancel restrictions"), FaultKind::Rejected, Retry::Never);
        check(product, 400, &code(-1102, "Mandatory parameter"), FaultKind::BadRequest, Retry::Never);
        check(product, 400, &code(-99_999, "new"), FaultKind::BadRequest, Retry::Never);
        check(product, 200, "[", FaultKind::Unreadable, Retry::Never);
    }
    // Numbers that mean two things.
    check(SPOT, 400, &code(-2026, "archived"), FaultKind::NotFound, Retry::Never);
    check(USDM, 400, &code(-2026, "reduce only"), FaultKind::Rejected, Retry::Never);
    check(USDM, 400, &code(-4116, "duplicated"), FaultKind::Rejected, Retry::Never);
}

const FRAMES: [(usize, &str); 6] = [
    (SPOT, r#"{"e":"trade","E":2,"s":"BTCUSDT","t":1,"p":"0.01","q":"1","T":1,"m":true,"M":true}"#),
    (
        SPOT,
        r#"{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":2,"s":"BTCUSDT","U":157,"u":160,"b":[["0.0024","10"]],"a":[]}}"#,
    ),
    (
        USDM,
        r#"{"e":"depthUpdate","E":2,"T":1,"s":"BTCUSDT","U":157,"u":160,"pu":149,"b":[["0.1","10"]],"a":[["1","0"]]}"#,
    ),
    (
        USDM,
        r#"{"e":"markPriceUpdate","E":2,"s":"BTCUSDT","p":"11794.15","i":"11784.62","P":"11784.25","r":"0.0003","T":3}"#,
    ),
    (SPOT, EXECUTION),
    (
        USDM,
        r#"{"e":"ACCOUNT_UPDATE","E":2,"T":1,"a":{"m":"ORDER","B":[{"a":"USDT","wb":"1","cw":"1","bc":"0"}],"P":[]}}"#,
    ),
];

#[test]
fn what_does_not_read_names_its_stream() {
    let spot = Desk::new(SPOT);
    let check = |frame: &str, why, topics: &[Topic]| {
        let out = spot.decode(frame);
        let told = out.events.iter().map(|event| match event {
            Event::Broken(broken) => (broken.why, broken.topic),
            event => panic!("{event:?}"),
        });
        assert_eq!(
            told.collect::<Vec<_>>(),
            topics.iter().map(|t| (why, Some(*t))).collect::<Vec<_>>(),
            "{frame}"
        );
    };
    let book = Topic::of(Channel::Book, BTC);
    check(r#"{"e":"depthUpdate","E":2,"s":"BTCUSDT","U":1,"u":2,"b":7,"a":[]}"#, BrokenWhy::Shape, &[book]);
    check(r#"{"e":"depthUpdate","s":"BTCUSDT"}"#, BrokenWhy::Shape, &[book]);
    check(r#"{"stream":"x","data":{"e":"depthUpdate","s":"BTCUSDT"}}"#, BrokenWhy::Shape, &[book]);
    let fine = r#"{"e":"depthUpdate","E":2,"s":"BTCUSDT","U":1,"u":2,"b":[["0.000000001","1"]],"a":[]}"#;
    check(fine, BrokenWhy::Number, &[book]);
    let own = [Topic::account(Channel::Orders), Topic::account(Channel::Fills)];
    check(r#"{"subscriptionId":0,"event":{"e":"executionReport","s":"BTCUSDT"}}"#, BrokenWhy::Shape, &own);
    let other = EXECUTION.replace("BTCUSDT", "NEWUSDT");
    check(&other, BrokenWhy::UnknownMarket, &own);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    /// A frame that is cut, changed or made up is an event each time, and never a panic.
    #[test]
    fn whatever_arrives_is_an_event(
        which in 0..FRAMES.len(), cut in any::<prop::sample::Index>(), with in any::<char>(), ends in any::<bool>(),
        noise in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let (product, frame) = FRAMES[which];
        let desk = Desk::new(product);
        prop_assert!(!desk.decode(frame).events.iter().any(|event| matches!(event, Event::Broken(_))));
        let mut text = frame.to_owned();
        let at = cut.index(text.len());
        if ends { text.truncate(at) } else { text.replace_range(at..=at, &with.to_string()) }
        prop_assert!(!desk.decode(&text).events.is_empty(), "{}", text);
        let mut out = EventBuf::new();
        Binance::new().decode(desk.place(), &noise, &mut out);
        prop_assert!(!out.events.is_empty());
        for ask in [Ask::Instruments, Ask::Time, Ask::Depth { market: BTC, levels: 100 }, Ask::Fees, Ask::OpenToken] {
            let reply = HttpReply { status: 200, headers: &[], body: &noise };
            prop_assert!(Binance::new().answer(desk.place(), &ask, &reply, &mut EventBuf::new()).is_err());
        }
    }
}
