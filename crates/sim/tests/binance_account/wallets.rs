//! Wallets, and what moved between them and beyond.

use super::*;

#[test]
fn every_wallet_is_the_accounts_own() {
    let mut rig = Rig::with(SimConfig { rate: 100, ..SimConfig::new(1, start()) });
    rig.pass_ms(20_000);
    let now = rig.now;
    rig.sim.venue_mut(VENUE).expect("a venue").set_rate(now, 0);
    let mut shown: BTreeMap<(Wallet, String), Decimal> = BTreeMap::new();
    let spot = rig.binance_json("GET", "/api/v3/account", &[("omitZeroBalances", "true")]);
    for row in spot["balances"].as_array().expect("rows") {
        let key = (Wallet::Spot, row["asset"].as_str().expect("text").to_string());
        shown.insert(key, decimal(&row["free"]) + decimal(&row["locked"]));
    }
    let owned = rig.binance_json("POST", "/sapi/v3/asset/getUserAsset", &[("needBtcValuation", "true")]);
    for row in owned.as_array().expect("rows") {
        let total = decimal(&row["free"]) + decimal(&row["locked"]);
        assert_eq!(shown[&(Wallet::Spot, row["asset"].as_str().expect("text").to_string())], total);
        assert!(decimal(&row["btcValuation"]) > Decimal::ZERO);
    }
    let funding = rig.binance_json("POST", "/sapi/v1/asset/get-funding-asset", &[]);
    for row in funding.as_array().expect("rows") {
        shown.insert(
            (Wallet::Funding, row["asset"].as_str().expect("text").to_string()),
            decimal(&row["free"]),
        );
    }
    let margin = rig.binance_json("GET", "/sapi/v1/margin/account", &[]);
    for row in margin["userAssets"].as_array().expect("rows") {
        let (free, owed) = (decimal(&row["free"]), decimal(&row["borrowed"]) + decimal(&row["interest"]));
        assert_eq!(decimal(&row["netAsset"]), free - owed);
        shown.insert((Wallet::Margin, row["asset"].as_str().expect("text").to_string()), free);
    }
    let isolated = rig.binance_json("GET", "/sapi/v1/margin/isolated/account", &[("symbols", "BTCUSDT")]);
    assert!(isolated["totalAssetOfBtc"].is_null());
    let one = &isolated["assets"][0];
    assert_eq!(
        (&one["symbol"], &one["quoteAsset"]["borrowed"]),
        (&value!("BTCUSDT"), &value!("500.00000000"))
    );
    for side in ["baseAsset", "quoteAsset"] {
        let asset = one[side]["asset"].as_str().expect("text").to_string();
        shown.insert((Wallet::Isolated("BTCUSDT"), asset), decimal(&one[side]["totalAsset"]));
    }
    let futures = rig.binance_json("GET", "/fapi/v3/balance", &[]);
    for row in futures.as_array().expect("rows") {
        shown.insert(
            (Wallet::Futures, row["asset"].as_str().expect("text").to_string()),
            decimal(&row["balance"]),
        );
    }
    let truth: BTreeMap<(Wallet, String), Decimal> = rig
        .binance_account()
        .cash()
        .map(|(wallet, asset, cash)| ((wallet, asset.to_string()), cash.total))
        .collect();
    assert_eq!(shown, truth);
    assert_eq!(truth.keys().map(|(wallet, _)| *wallet).collect::<std::collections::BTreeSet<_>>().len(), 5);
    let wallets = rig.binance_json("GET", "/sapi/v1/asset/wallet/balance", &[]);
    let names: Vec<&str> = wallets
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| row["walletName"].as_str().expect("text"))
        .collect();
    assert_eq!(names, ["Spot", "Funding", "Cross Margin", "Isolated Margin", "USDⓈ-M Futures"]);
}

#[test]
fn deposits_withdrawals_and_transfers_are_listed_as_the_wallet_lists_them() {
    let mut rig = Rig::quiet();
    let deposits = rig.binance_json("GET", "/sapi/v1/capital/deposit/hisrec", &[]);
    let statuses: Vec<_> =
        deposits.as_array().expect("rows").iter().map(|row| row["status"].as_i64()).collect();
    assert_eq!(statuses, [Some(0), Some(1)], "the newest first, and that is under way");
    assert_eq!(deposits[1]["completeTime"], NOW_MS - 5 * 86_400_000 + 120_000);
    let skipped =
        rig.binance_json("GET", "/sapi/v1/capital/deposit/hisrec", &[("offset", "1"), ("limit", "1")]);
    assert_eq!(skipped, value!([deposits[1]]));
    let withdrawals = rig.binance_json("GET", "/sapi/v1/capital/withdraw/history", &[]);
    assert_eq!(
        (&withdrawals[0]["status"], &withdrawals[0]["applyTime"]),
        (&value!(6), &value!("2023-11-12 22:13:20"))
    );
    assert_eq!(
        (&withdrawals[0]["amount"], &withdrawals[0]["transactionFee"]),
        (&value!("250"), &value!("1"))
    );
    let far = [("startTime", "0"), ("endTime", "7776000001")];
    assert_eq!(code(&rig.binance("GET", "/sapi/v1/capital/deposit/hisrec", &far)).1, -1127);

    let transfer =
        |rig: &mut Rig, params: &[(&str, &str)]| rig.binance("POST", "/sapi/v1/asset/transfer", params);
    let moved = transfer(&mut rig, &[("type", "MAIN_UMFUTURE"), ("asset", "USDT"), ("amount", "7.25")]);
    assert!(json(&moved)["tranId"].is_u64(), "{}", text(&moved));
    let rows = rig.binance_json("GET", "/sapi/v1/asset/transfer", &[("type", "MAIN_UMFUTURE")]);
    assert_eq!(
        (&rows["total"], &rows["rows"][0]["amount"], &rows["rows"][0]["timestamp"]),
        (&value!(2), &value!("7.25"), &value!(NOW_MS))
    );
    let second = rig.binance_json(
        "GET",
        "/sapi/v1/asset/transfer",
        &[("type", "MAIN_UMFUTURE"), ("current", "2"), ("size", "1")],
    );
    assert_eq!((&second["total"], &second["rows"][0]["amount"]), (&value!(2), &value!("1000")));
    let isolated = [("type", "MARGIN_ISOLATEDMARGIN"), ("toSymbol", "BTCUSDT")];
    assert_eq!(rig.binance_json("GET", "/sapi/v1/asset/transfer", &isolated)["total"], 1);
    for (params, expected) in [
        (&[("type", "MAIN_MOON")][..], -1130),
        (&[("asset", "USDT")], -1102),
        (&[("type", "MARGIN_ISOLATEDMARGIN")], -1102),
    ] {
        assert_eq!(code(&rig.binance("GET", "/sapi/v1/asset/transfer", params)).1, expected, "{params:?}");
    }
    let poor = transfer(&mut rig, &[("type", "FUNDING_MAIN"), ("asset", "USDT"), ("amount", "901")]);
    assert_eq!(code(&poor).1, -5013);
}

#[test]
fn margin_transfers_and_the_income_of_futures_are_the_accounts_own() {
    let mut rig = Rig::with(SimConfig { rate: 100, ..SimConfig::new(1, start()) });
    // Over the end of a funding period, which is 6400 s away, at a slower pace.
    rig.pass_ms(20_000);
    let now = rig.now;
    let names: Vec<&str> = rig.sim.venues().iter().map(venuekit_sim::VenueSim::name).collect();
    for name in names {
        rig.sim.venue_mut(name).expect("a venue").set_rate(now, u32::from(name == VENUE));
    }
    rig.pass_ms(6_390_000);
    let margin = rig.binance_json("GET", "/sapi/v1/margin/transfer", &[]);
    assert_eq!(
        margin,
        value!({"rows": [{"amount": "200.00000000", "asset": "USDT", "status": "CONFIRMED",
            "timestamp": NOW_MS - 86_400_000, "txId": 4, "type": "ROLL_OUT", "transFrom": "CROSS_MARGIN",
            "transTo": "ISOLATED_MARGIN", "toSymbol": "BTCUSDT"}], "total": 1})
    );
    let income = |rig: &mut Rig, params: &[(&str, &str)]| {
        let all = [params, &[("limit", "1000")]].concat();
        let rows = rig.binance_json("GET", "/fapi/v1/income", &all);
        rows.as_array().expect("rows").clone()
    };
    let transfers = income(&mut rig, &[("incomeType", "TRANSFER")]);
    let amounts: Vec<&Value> = transfers.iter().map(|row| &row["income"]).collect();
    assert_eq!(amounts, [&value!("1000.00000000"), &value!("-300.00000000")]);
    let funding = income(&mut rig, &[("incomeType", "FUNDING_FEE")]);
    assert!(!funding.is_empty() && funding.iter().all(|row| row["time"] == 1_700_006_400_000_i64));
    let of = |account: &venuekit_sim::wallets::Account| account.cash_of(Wallet::Futures, "USDT").realised;
    let mut sum = Decimal::ZERO;
    for page in 1.. {
        let rows = income(&mut rig, &[("page", &page.to_string())]);
        if rows.is_empty() {
            break;
        }
        assert!(rows.windows(2).all(|two| two[0]["time"].as_i64() <= two[1]["time"].as_i64()));
        let own = rows.iter().filter(|row| row["incomeType"] != "TRANSFER");
        sum += own.map(|row| decimal(&row["income"])).sum::<Decimal>();
    }
    assert_eq!(sum, of(rig.binance_account()), "fees, profits and funding are all that the wallet realised");
    let one = income(&mut rig, &[("symbol", "BTCUSDT"), ("incomeType", "COMMISSION")]);
    assert!(!one.is_empty() && one.iter().all(|row| row["symbol"] == "BTCUSDT" && row["tradeId"] != ""));
    let ids: std::collections::BTreeSet<_> = one.iter().map(|row| row["tranId"].as_u64()).collect();
    assert_eq!(ids.len(), one.len());
}
