//! Refresh tokens over the routes: once, again within the grace, and never for who made one up.

use super::*;

#[tokio::test]
async fn a_refresh_token_is_exchanged_once_and_a_second_use_ends_the_family() {
    let stage = stage().await;
    let login = stage.log_in("demo-cli").await;
    let (first, access) = (text(&login, "refresh_token"), text(&login, "access_token"));
    let (status, second) = stage.next(&first).await;
    assert_eq!((status, second == first), (200, false));
    let (status, third) = stage.next(&second).await;
    assert_eq!(status, 200);
    assert!(stage.is_active(&third).await && stage.is_active(&access).await && !stage.is_active(&second).await);
    // The thief comes with a copy of the first one.
    assert_eq!(stage.next(&first).await.0, 400);
    // And the owner with the last one that was given out: neither is believed any more.
    assert_eq!(stage.next(&third).await.0, 400);
    assert!(!stage.is_active(&third).await && !stage.is_active(&access).await);
    assert!(stage.verify_offline(&access).await.is_ok(), "who verifies offline believes it until it expires");
}

#[tokio::test]
async fn an_answer_that_was_lost_is_given_again_within_the_grace_and_not_behind_it() {
    let stage = stage().await;
    let first = text(&stage.log_in("demo-cli").await, "refresh_token");
    let (_, second) = stage.next(&first).await;
    stage.wait(9);
    assert_eq!(stage.next(&first).await, (200, second.clone()));
    stage.wait(1);
    assert_eq!(stage.next(&first).await.0, 400);
    assert_eq!(stage.next(&second).await.0, 400, "the family has ended");
}

#[tokio::test]
async fn scope_and_audience_of_a_refresh_shrink_for_that_access_token_alone() {
    let stage = stage().await;
    let mut token = text(&stage.log_in("demo-cli").await, "refresh_token");
    for (more, scope) in [
        (&[("scope", "catalog:read"), ("audience", "catalog")][..], "catalog:read"),
        (&[], "catalog:read catalog:write billing:read billing:write"),
    ] {
        let pairs = [("grant_type", "refresh_token"), ("client_id", "demo-cli"), ("refresh_token", &token)];
        let answer: Value = stage.token(&[&pairs[..], more].concat()).await.json();
        assert_eq!(answer["scope"], json!(scope));
        token = text(&answer, "refresh_token");
    }
    let pairs = [("grant_type", "refresh_token"), ("client_id", "demo-cli"), ("refresh_token", &token)];
    for (more, error) in [(("scope", "admin"), "invalid_scope"), (("audience", "elsewhere"), "invalid_target")] {
        let refused: Value = stage.token(&[&pairs[..], &[more]].concat()).await.json();
        assert_eq!(refused["error"], json!(error));
    }
    assert_eq!(stage.next(&token).await.0, 200, "who asks for too much has spent nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_at_once_one_wins_and_within_the_grace_all_get_its_successor() {
    let stage = Arc::new(stage().await);
    let first = text(&stage.log_in("demo-cli").await, "refresh_token");
    let answers = race(&stage, &first).await;
    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    let successors: HashSet<&String> = answers.iter().map(|(_, next)| next).collect();
    assert_eq!(successors.len(), 1, "one exchange, one successor");
    assert_eq!(stage.next(successors.into_iter().next().expect("one")).await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_grace_one_of_fifty_at_once_gets_tokens_and_the_others_end_the_family() {
    let stage = Arc::new(stage_with(IdentityConfig { grace: Duration::ZERO, ..IdentityConfig::default() }).await);
    let first = text(&stage.log_in("demo-cli").await, "refresh_token");
    let answers = race(&stage, &first).await;
    let winners: Vec<&String> = answers.iter().filter(|(status, _)| *status == 200).map(|(_, next)| next).collect();
    assert_eq!(winners.len(), 1, "{answers:?}");
    assert_eq!(stage.next(winners[0]).await.0, 400);
}

/// Fifty refreshes with one token.
async fn race(stage: &Arc<Stage>, token: &str) -> Vec<(u16, String)> {
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (stage, token) = (Arc::clone(stage), token.to_owned());
        racers.spawn(async move { stage.next(&token).await });
    }
    racers.join_all().await
}

#[tokio::test]
async fn forged_refresh_tokens_open_nothing_and_end_nothing() {
    let stage = stage().await;
    let token = text(&stage.log_in("demo-cli").await, "refresh_token");
    let mut accepted = 0;
    for at in 4..token.len() {
        for other in ['A', 'z', '-', '.', '='] {
            let mut forged: Vec<char> = token.chars().collect();
            if forged[at] == other {
                continue;
            }
            forged[at] = other;
            let forged: String = forged.into_iter().collect();
            accepted += usize::from(stage.next(&forged).await.0 == 200);
        }
    }
    let login = text(&stage.log_in("demo-cli").await, "access_token");
    for other in [&login, &token[4..], &format!("{token} "), &format!("{token}{token}"), "fbr_", "null"] {
        accepted += usize::from(stage.next(other).await.0 == 200);
    }
    assert_eq!(accepted, 0);
    assert_eq!(stage.next(&token).await.0, 200, "and the family goes on");
}

#[tokio::test]
async fn a_new_password_ends_what_was_begun_with_the_old_one() {
    let stage = stage().await;
    let login = stage.log_in("demo-cli").await;
    let ada = stage.accounts.authenticate("ada", PASSWORD, [127, 0, 0, 1].into()).await.expect("ada");
    assert!(stage.is_active(&text(&login, "access_token")).await);
    let hash = PasswordHash::parse(&bcrypt::hash("another-engine", 4).expect("a hash")).expect("a hash");
    assert!(stage.store.change_hash(&ada, &hash).await.expect("it answers").is_some());
    assert!(!stage.is_active(&text(&login, "access_token")).await);
    assert!(!stage.is_active(&text(&login, "refresh_token")).await);
    assert_eq!(stage.next(&text(&login, "refresh_token")).await.0, 400);
}

#[tokio::test]
async fn a_login_ends_when_it_is_idle_and_in_any_case() {
    let day = 24 * 60 * 60;
    let stage = stage().await;
    let idle = text(&stage.log_in("demo-cli").await, "refresh_token");
    let mut used = text(&stage.log_in("demo-cli").await, "refresh_token");
    for _ in 0..5 {
        stage.wait(6 * day);
        let (status, next) = stage.next(&used).await;
        used = next;
        if stage.clock.load(Relaxed) < NOW + 30 * day {
            assert_eq!(status, 200);
        } else {
            assert_eq!(status, 400);
        }
    }
    assert_eq!(stage.next(&idle).await.0, 400);
    stage.identity.inner.store.sweep(stage.clock.load(Relaxed), 10).await.expect("memory");
    let last = stage.log_in("demo-cli").await;
    assert_eq!(last["expires_in"], json!(300));
}

#[tokio::test]
async fn the_last_access_token_does_not_outlive_its_login() {
    let config = IdentityConfig { refresh_time: Duration::from_secs(400), ..IdentityConfig::default() };
    let stage = stage_with(config).await;
    let token = text(&stage.log_in("demo-cli").await, "refresh_token");
    stage.wait(350);
    let answer: Value = stage.refresh("demo-cli", &token).await.json();
    assert_eq!(answer["expires_in"], json!(50));
}

#[tokio::test]
async fn an_account_has_so_many_logins_and_the_oldest_gives_way() {
    let stage = stage_with(IdentityConfig { families_of_account_max: 3, ..IdentityConfig::default() }).await;
    let mut tokens = Vec::new();
    for _ in 0..4 {
        tokens.push(text(&stage.log_in("demo-cli").await, "refresh_token"));
        stage.wait(1);
    }
    let mut statuses = Vec::new();
    for token in &tokens {
        statuses.push(stage.next(token).await.0);
    }
    assert_eq!(statuses, [400, 200, 200, 200]);
}

#[tokio::test]
async fn memory_has_an_end_and_nobody_is_logged_out_for_it() {
    let login = |subject: &str| domain::family::Login {
        subject: subject.to_owned(),
        generation: 0,
        client: "demo-cli".to_owned(),
        scopes: domain::scope::known(&["catalog:read"]),
        audience: vec!["catalog".to_owned()],
    };
    let lifetimes = Lifetimes { absolute: 100, idle: 10, grace: 1 };
    let store = Store::memory(2);
    let begin = |subject: &str| domain::family::Family::begin(login(subject), NOW, &lifetimes).0;
    let families = [begin("ada"), begin("bob"), begin("eve")];
    for (family, fits) in families.iter().zip([true, true, false]) {
        assert_eq!(store.begin(family, 32).await.is_ok(), fits, "{family:?}");
        assert_eq!(store.find(family.id).await.expect("memory").is_some(), fits);
    }
    assert_eq!(store.sweep(NOW + 10, 1).await.expect("memory"), 2);
    assert!(store.begin(&families[2], 32).await.is_ok());
}
