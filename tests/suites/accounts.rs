//! What every place that keeps accounts, and every one that counts attempts, does alike. Run over memory by the unit tests of
//! `app::accounts`, over PostgreSQL and Redis by `tests/system/accounts.rs`.

use std::net::IpAddr;
use std::time::Duration;

use firstbyte::app::accounts::domain::{AccountId, AccountName, Role};
use firstbyte::app::accounts::hasher::PasswordHash;
use firstbyte::app::accounts::store::{Store, StoreError};
use firstbyte::app::accounts::throttle::{Quota, Refused, Throttle, ThrottleConfig};

fn name(text: &str) -> AccountName {
    AccountName::parse(text).unwrap()
}

/// Hashes that differ in one character; of what, nobody knows.
fn hash(one: char) -> PasswordHash {
    PasswordHash::parse(&format!("$2b$12$aR6OG.v6po242PFLSVqD.eTVmoy5o4y0StO2TMkB1DgQqL9gPJS{one}a")).unwrap()
}

/// Everything that is asked of a store without accounts.
pub async fn store(store: Store) {
    accounts_are_found_by_name_and_number(&store).await;
    what_nobody_is_called_finds_nobody(&store).await;
    of_many_who_want_a_name_one_gets_it(&store).await;
    of_many_changes_of_a_password_one_happens(&store).await;
    a_hash_is_renewed_under_the_same_generation(&store).await;
}

async fn accounts_are_found_by_name_and_number(store: &Store) {
    let ada = store.add(&name("ada"), &[Role::Customer, Role::Admin], &hash('a')).await.unwrap();
    assert_eq!((ada.name.text(), ada.roles.as_slice(), ada.generation), ("ada", &[Role::Customer, Role::Admin][..], 1));
    for found in [store.named("ada").await.unwrap(), store.numbered(ada.id).await.unwrap()] {
        let found = found.unwrap();
        assert_eq!((found.account, found.hash), (ada.clone(), hash('a')));
    }
    let taken = store.add(&name("Ada"), &[Role::Customer], &hash('b')).await;
    assert!(matches!(taken, Err(StoreError::Taken)), "{taken:?}");
    assert_eq!(store.named("ada").await.unwrap().unwrap().account, ada, "and nothing has changed");
}

async fn what_nobody_is_called_finds_nobody(store: &Store) {
    for nobody in ["", "Ada", "ad", "ada ", "' OR '1'='1", "%", "ad_", &"a".repeat(100_000)] {
        assert!(store.named(nobody).await.unwrap().is_none(), "{nobody:.20}");
    }
    assert!(store.numbered(AccountId::random()).await.unwrap().is_none());
}

async fn of_many_who_want_a_name_one_gets_it(store: &Store) {
    let wanting = (0..50).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.add(&name("wanted"), &[Role::Customer], &hash('a')).await })
    });
    let mut got = 0;
    for wanting in wanting.collect::<Vec<_>>() {
        match wanting.await.unwrap() {
            Ok(_) => got += 1,
            Err(error) => assert!(matches!(error, StoreError::Taken), "{error:?}"),
        }
    }
    assert_eq!(got, 1);
}

async fn of_many_changes_of_a_password_one_happens(store: &Store) {
    let bob = store.add(&name("bob"), &[Role::Customer], &hash('a')).await.unwrap();
    let changing = (0..50).map(|number| {
        let (store, bob) = (store.clone(), bob.clone());
        let hash = hash(char::from(b'A' + number % 26));
        tokio::spawn(async move { store.change_hash(&bob, &hash).await.unwrap().map(|bob| (bob, hash)) })
    });
    let mut changed = Vec::new();
    for changing in changing.collect::<Vec<_>>() {
        changed.extend(changing.await.unwrap());
    }
    let [(after, hash)] = changed.try_into().expect("one of fifty");
    assert_eq!((after.id, after.generation), (bob.id, 2));
    let found = store.named("bob").await.unwrap().unwrap();
    assert_eq!((found.account, found.hash), (after, hash));
}

async fn a_hash_is_renewed_under_the_same_generation(store: &Store) {
    let eve = store.add(&name("eve"), &[], &hash('a')).await.unwrap();
    store.rehash(&eve, &hash('b')).await.unwrap();
    let found = store.named("eve").await.unwrap().unwrap();
    assert_eq!((found.account, found.hash), (eve.clone(), hash('b')));
    store.change_hash(&eve, &hash('c')).await.unwrap().unwrap();
    store.rehash(&eve, &hash('d')).await.unwrap();
    assert_eq!(store.named("eve").await.unwrap().unwrap().hash, hash('c'), "that of an older password is not kept");
}

/// Everything that is asked of what counts. Its names and addresses are those of nobody else.
pub async fn throttle(open: impl Fn(ThrottleConfig) -> Throttle) {
    let quota = |burst| Quota { burst, interval: Duration::from_secs(600) };
    let config =
        ThrottleConfig { name: quota(3), address: quota(5), registration: quota(2), ..ThrottleConfig::default() };
    bursts_are_bounded_for_names_and_addresses(&open(config.clone())).await;
    of_many_at_once_no_more_than_the_burst(&open(config)).await;
    what_has_passed_is_not_given_back(&open).await;
    time_gives_room(open).await;
}

/// Who has waited for his hash for long may not forgive what somebody else has failed meanwhile.
async fn what_has_passed_is_not_given_back(open: impl Fn(ThrottleConfig) -> Throttle) {
    let (brief, long) = (Duration::from_millis(20), Duration::from_secs(600));
    let at = |interval| ThrottleConfig { name: Quota { burst: 1, interval }, ..ThrottleConfig::default() };
    let (name, throttle) = (somebody(), open(at(brief)));
    let right = throttle.login(&name, address()).await.unwrap();
    tokio::time::sleep(2 * brief).await;
    // In memory this is another place: there the table's own test has it.
    let other = open(at(long));
    assert_eq!(wait(other.login(&name, address()).await), None);
    throttle.give_back(right).await;
    assert!(wait(other.login(&name, address()).await).is_some(), "the failure counts");
}

fn address() -> IpAddr {
    // 2001:db8::/32 is for documents: each test has a /64 of its own.
    let network = 0x2001_0db8_u128 << 96 | u128::from(fastrand::u32(..)) << 64;
    std::net::Ipv6Addr::from_bits(network | u128::from(fastrand::u64(..))).into()
}

fn somebody() -> String {
    format!("test-{:016x}", fastrand::u64(..))
}

/// Whether there was room; else how long until there is.
fn wait<T>(charged: Result<T, Refused>) -> Option<Duration> {
    match charged {
        Ok(_) => None,
        Err(Refused::Throttled { retry_after }) => Some(retry_after),
        Err(other) => panic!("{other:?}"),
    }
}

async fn bursts_are_bounded_for_names_and_addresses(throttle: &Throttle) {
    let name = somebody();
    let mut charges = Vec::new();
    for _ in 0..3 {
        charges.push(throttle.login(&name, address()).await.unwrap());
    }
    let left = wait(throttle.login(&name.to_uppercase(), address()).await).expect("no room");
    assert!(left > Duration::from_secs(590) && left <= Duration::from_secs(600), "{left:?}");
    throttle.give_back(charges.pop().unwrap()).await;
    assert_eq!(wait(throttle.login(&name, address()).await), None, "what was given back is there again");
    assert!(wait(throttle.login(&name, address()).await).is_some(), "and no more");

    let from = address();
    for _ in 0..5 {
        assert_eq!(wait(throttle.login(&somebody(), from).await), None);
    }
    let unharmed = somebody();
    for _ in 0..5 {
        assert!(wait(throttle.login(&unharmed, from).await).is_some());
    }
    assert_eq!(wait(throttle.login(&unharmed, address()).await), None, "who was refused was not charged");
    for expected in [true, true, false] {
        assert_eq!(wait(throttle.registration(from).await).is_none(), expected, "registrations are counted apart");
    }
}

async fn of_many_at_once_no_more_than_the_burst(throttle: &Throttle) {
    let name = somebody();
    let attempts = (0..100).map(|_| {
        let (throttle, name) = (throttle.clone(), name.clone());
        tokio::spawn(async move { wait(throttle.login(&name, address()).await).is_none() })
    });
    let mut charged = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        charged += u32::from(attempt.await.unwrap());
    }
    assert_eq!(charged, 3);
}

async fn time_gives_room(open: impl Fn(ThrottleConfig) -> Throttle) {
    let quota = Quota { burst: 1, interval: Duration::from_millis(20) };
    let throttle = open(ThrottleConfig { name: quota, ..ThrottleConfig::default() });
    let name = somebody();
    for _ in 0..3 {
        while let Some(left) = wait(throttle.login(&name, address()).await) {
            assert!(left <= quota.interval, "{left:?}");
            tokio::time::sleep(left).await;
        }
    }
}
