//! What must hold over any store: one winner, reuse seen by every node, one active key, nothing lost when a node dies.

use std::collections::HashSet;
use std::time::Duration;

use firstbyte::app::identity::IdentityConfig;
use firstbyte::app::identity::domain::family::{Family, Lifetimes, Login, RefreshToken, Verdict};
use firstbyte::app::identity::domain::keys::State;
use firstbyte::app::identity::domain::scope;
use firstbyte::app::identity::store::Store;
use serde_json::Value;
use tokio::task::JoinSet;

use super::tools::{NOW, Node, World, soon, text};
use super::{Place, with_each, without_grace};

const LIFETIMES: Lifetimes = Lifetimes { absolute: 1_000, idle: 100, grace: 10 };

fn begin(subject: &str) -> (Family, RefreshToken) {
    let login = Login {
        subject: subject.to_owned(),
        generation: u32::MAX,
        client: "demo-cli".to_owned(),
        scopes: scope::known(&["catalog:read", "!#[]~"]),
        audience: vec!["catalog".to_owned(), "é".to_owned()],
    };
    Family::begin(login, NOW, &LIFETIMES)
}

#[tokio::test]
async fn a_family_is_kept_as_it_is_and_exchanged_once() {
    with_each(async |place| {
        let store = ready(&place).await;
        let (mut family, token) = begin("ada");
        assert_eq!(store.find(family.id).await.unwrap(), None);
        store.begin(&family, 32).await.unwrap();
        assert_eq!(store.find(family.id).await.unwrap().as_ref(), Some(&family));
        let (rotation, other) =
            (family.rotation(&token, NOW + 7, &LIFETIMES), family.rotation(&token, NOW, &LIFETIMES));
        assert!(store.rotate(family.id, &rotation).await.unwrap());
        assert!(!store.rotate(family.id, &rotation).await.unwrap(), "the same exchange a second time");
        assert!(!store.rotate(family.id, &other).await.unwrap(), "another one of the same token");
        assert!(!store.rotate(begin("eve").0.id, &rotation).await.unwrap(), "of no family");
        assert!(family.rotate(&rotation));
        assert_eq!(store.find(family.id).await.unwrap().as_ref(), Some(&family));
        assert!(store.revoke(family.id).await.unwrap());
        assert!(!store.revoke(family.id).await.unwrap());
        assert!(!store.rotate(family.id, &rotation).await.unwrap());
        assert_eq!(store.find(family.id).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn what_has_ended_is_forgotten_and_nonces_behind_their_grace() {
    with_each(async |place| {
        let store = ready(&place).await;
        let (family, token) = begin("ada");
        let (idle, _) = begin("bob");
        store.begin(&family, 32).await.unwrap();
        store.begin(&idle, 32).await.unwrap();
        assert!(store.rotate(family.id, &family.rotation(&token, NOW + 50, &LIFETIMES)).await.unwrap());
        assert_eq!(store.sweep(NOW + 59, LIFETIMES.grace).await.unwrap(), 0);
        let judge = async |now| store.find(family.id).await.unwrap().map(|family| family.judge(&token, now, 10));
        assert!(matches!(judge(NOW + 59).await, Some(Verdict::Again(_))));
        assert_eq!(store.sweep(NOW + 60, LIFETIMES.grace).await.unwrap(), 0);
        let spent = store.find(family.id).await.unwrap().and_then(|family| family.spent);
        assert!(spent.is_some_and(|spent| spent.nonce.is_none() && spent.at == NOW + 50));
        assert_eq!(store.sweep(NOW + 100, LIFETIMES.grace).await.unwrap(), 1);
        assert_eq!(store.find(idle.id).await.unwrap(), None);
        assert!(store.find(family.id).await.unwrap().is_some());
        assert_eq!(store.sweep(NOW + 150, LIFETIMES.grace).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_logs_in_fifty_times_at_once_has_no_more_than_it_may() {
    with_each(async |place| {
        let stores = [ready(&place).await, ready(&place).await];
        let (bystander, _) = begin("bob");
        stores[0].begin(&bystander, 5).await.unwrap();
        let families: Vec<Family> = (0..50).map(|_| begin("ada").0).collect();
        let mut logins = JoinSet::new();
        for (number, family) in families.iter().cloned().enumerate() {
            let store = stores[number % 2].clone();
            logins.spawn(async move { store.begin(&family, 5).await.unwrap() });
        }
        logins.join_all().await;
        let mut kept = 0;
        for family in &families {
            kept += usize::from(stores[0].find(family.id).await.unwrap().is_some());
        }
        assert_eq!(kept, 5);
        assert!(stores[1].find(bystander.id).await.unwrap().is_some());
    })
    .await;
}

/// A store that answers.
async fn ready(place: &Place) -> Store {
    let store = place.store();
    soon(async || store.keys().await.ok()).await;
    store
}

async fn nodes(place: &Place, world: &World, config: &IdentityConfig, count: usize) -> Vec<Node> {
    let mut nodes = Vec::new();
    for _ in 0..count {
        nodes.push(world.node(config.clone(), place.store()).await);
    }
    nodes
}

/// Fifty refreshes with one token, at several nodes.
async fn race(nodes: &[Node], token: &str) -> Vec<(u16, String)> {
    let mut racers = JoinSet::new();
    for number in 0..50 {
        let (node, token) = (nodes[number % nodes.len()].clone(), token.to_owned());
        racers.spawn(async move { node.refresh(&token).await });
    }
    racers.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_refreshes_at_two_nodes_one_wins_and_all_get_its_successor() {
    with_each(async |place| {
        let world = World::new().await;
        let nodes = nodes(&place, &world, &IdentityConfig::default(), 2).await;
        let mut token = text(&nodes[0].log_in().await, "refresh_token");
        for _ in 0..3 {
            let answers = race(&nodes, &token).await;
            assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
            let successors: HashSet<String> = answers.into_iter().map(|(_, next)| next).collect();
            assert_eq!(successors.len(), 1, "one exchange, one successor");
            token = successors.into_iter().next().unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_grace_one_of_fifty_wins_and_its_family_ends_with_the_others() {
    with_each(async |place| {
        let world = World::new().await;
        let nodes = nodes(&place, &world, &without_grace(), 2).await;
        for _ in 0..5 {
            let token = text(&nodes[0].log_in().await, "refresh_token");
            let answers = race(&nodes, &token).await;
            let winners: Vec<&String> =
                answers.iter().filter(|(status, _)| *status == 200).map(|(_, next)| next).collect();
            assert_eq!(winners.len(), 1, "{answers:?}");
            assert!(answers.iter().all(|(status, _)| [200, 400].contains(status)), "{answers:?}");
            assert_eq!(nodes[1].refresh(winners[0]).await.0, 400);
        }
    })
    .await;
}

#[tokio::test]
async fn reuse_at_one_node_ends_the_family_at_all() {
    with_each(async |place| {
        let world = World::new().await;
        let nodes = nodes(&place, &world, &IdentityConfig::default(), 2).await;
        let login = nodes[0].log_in().await;
        let (first, access) = (text(&login, "refresh_token"), text(&login, "access_token"));
        let (_, second) = nodes[0].refresh(&first).await;
        let (_, third) = nodes[1].refresh(&second).await;
        assert!(nodes[0].is_active(&access).await && nodes[1].is_active(&third).await);
        assert_eq!(nodes[1].refresh(&first).await.0, 400);
        for node in &nodes {
            assert_eq!(node.refresh(&third).await.0, 400);
            assert!(!node.is_active(&access).await && !node.is_active(&third).await);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_that_dies_in_the_middle_of_a_refresh_loses_an_answer_and_nothing_else() {
    with_each(async |place| {
        let world = World::new().await;
        let nodes = nodes(&place, &world, &IdentityConfig::default(), 2).await;
        let mut token = text(&nodes[0].log_in().await, "refresh_token");
        for round in 0..60_u64 {
            let (node, cut) = (nodes[0].clone(), token.clone());
            let refresh = tokio::spawn(async move { node.refresh(&cut).await });
            tokio::time::sleep(Duration::from_micros(round * 60)).await;
            refresh.abort();
            let _ = refresh.await;
            let (status, next) = nodes[1].refresh(&token).await;
            assert_eq!((status, next.is_empty()), (200, false), "round {round}");
            token = next;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_nodes_that_start_at_once_have_one_active_key() {
    with_each(async |place| {
        let world = World::new().await;
        let nodes: Vec<Node> = (0..10).map(|_| world.early_node(IdentityConfig::default(), place.store())).collect();
        let mut starts = JoinSet::new();
        for node in &nodes {
            let node = node.clone();
            starts.spawn(async move { while node.robot().await.status.code() != 200 {} });
        }
        starts.join_all().await;
        let keys = ready(&place).await.keys().await.unwrap();
        let count = |state: State| keys.iter().filter(|key| key.state == state).count();
        assert_eq!((count(State::Active), count(State::Next), keys.len()), (1, 1, 2), "{keys:?}");
        let mut documents = HashSet::new();
        for node in &nodes {
            documents.insert(node.get("/identity/.well-known/jwks.json").await.text().to_owned());
        }
        assert_eq!(documents.len(), 1);
        // And when its time is over, one of them rotates it, and the others follow.
        world.wait(30 * 24 * 60 * 60);
        for node in &nodes {
            let listed = async || node.get("/identity").await.text().contains("  retired ").then_some(());
            soon(listed).await;
        }
        let keys = ready(&place).await.keys().await.unwrap();
        assert_eq!(keys.len(), 3, "{keys:?}");
    })
    .await;
}

#[tokio::test]
async fn a_rotation_at_one_node_is_known_to_the_other_when_it_is_asked_and_soon_in_any_case() {
    with_each(async |place| {
        let world = World::new().await;
        let nodes = nodes(&place, &world, &IdentityConfig::default(), 2).await;
        let old = text(&nodes[1].log_in().await, "access_token");
        assert_eq!(nodes[0].rotate_keys(&[]).await, 200);
        let new = text(&nodes[0].log_in().await, "access_token");
        let document = nodes[0].get("/identity/.well-known/jwks.json").await.text().to_owned();
        assert!(nodes[1].is_active(&new).await, "it was published before it signed");
        soon(async || (nodes[1].get("/identity/.well-known/jwks.json").await.text() == document).then_some(())).await;
        for node in &nodes {
            assert!(node.is_active(&old).await, "what the old key has signed is valid to its end");
            assert_eq!(node.rotate_keys(&[]).await, 429, "the next one is too new, whoever asks");
        }
    })
    .await;
}

#[tokio::test]
async fn what_one_node_withdraws_is_withdrawn_at_all() {
    with_each(async |place| {
        let world = World::new().await;
        let nodes = nodes(&place, &world, &IdentityConfig::default(), 2).await;
        let stolen = text(&nodes[1].log_in().await, "access_token");
        assert_eq!(nodes[0].rotate_keys(&[("withdraw", "true")]).await, 200);
        assert!(!nodes[0].is_active(&stolen).await);
        // The key that signs now was never seen by the other node.
        let new = text(&nodes[0].log_in().await, "access_token");
        soon(async || nodes[1].is_active(&new).await.then_some(())).await;
        assert!(!nodes[1].is_active(&stolen).await);
        let keys = ready(&place).await.keys().await.unwrap();
        assert_eq!(keys.len(), 2, "{keys:?}");
    })
    .await;
}

#[tokio::test]
async fn forged_tokens_are_accepted_by_no_node() {
    with_each(async |place| {
        let world = World::new().await;
        let node = &nodes(&place, &world, &IdentityConfig::default(), 1).await[0];
        let token = text(&node.log_in().await, "refresh_token");
        let mut accepted = 0;
        for at in (4..token.len()).step_by(3) {
            let forged: String = token
                .chars()
                .enumerate()
                .map(|(n, char)| if n == at { if char == 'A' { 'B' } else { 'A' } } else { char })
                .collect();
            accepted += usize::from(node.refresh(&forged).await.0 == 200);
        }
        assert_eq!(accepted, 0);
        assert_eq!(node.refresh(&token).await.0, 200, "and the family goes on");
    })
    .await;
}

#[tokio::test]
async fn a_node_that_starts_again_over_a_database_knows_what_was_given_out() {
    with_each(async |place| {
        let world = World::new().await;
        let before = world.node(IdentityConfig::default(), place.store()).await;
        let login: Value = before.log_in().await;
        drop(before);
        let after = world.node(IdentityConfig::default(), place.store()).await;
        assert!(after.is_active(&text(&login, "access_token")).await);
        assert_eq!(after.refresh(&text(&login, "refresh_token")).await.0, 200);
    })
    .await;
}
