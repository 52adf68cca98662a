use super::*;
use crate::app::identity::domain::scope;

const LIFETIMES: Lifetimes = Lifetimes { absolute: 1_000, idle: 100, grace: 10 };
const NOW: u64 = 1_800_000_000;

fn begin() -> (Family, RefreshToken) {
    let login = Login {
        subject: "ada".to_owned(),
        generation: 0,
        client: "demo-cli".to_owned(),
        scopes: scope::known(&["read"]),
        audience: vec!["catalog".to_owned()],
    };
    Family::begin(login, NOW, &LIFETIMES)
}

/// Exchanges `token` at `now`.
fn exchange(family: &mut Family, token: &RefreshToken, now: u64) -> RefreshToken {
    let rotation = family.rotation(token, now, &LIFETIMES);
    assert!(family.rotate(&rotation));
    family.successor(token, &rotation.nonce)
}

fn judge(family: &Family, token: &RefreshToken, now: u64) -> Verdict {
    family.judge(token, now, LIFETIMES.grace)
}

#[test]
fn a_token_comes_back_as_it_went() {
    let (family, token) = begin();
    let text = token.expose();
    assert_eq!((text.len(), &text[..4]), (TOKEN_CHARS, "fbr_"));
    assert_eq!(text.parse::<RefreshToken>().as_ref(), Ok(&token));
    assert_eq!(token.family().to_string().parse(), Ok(family.id));
}

#[test]
fn what_is_spelled_otherwise_is_no_token() {
    let text = begin().1.expose();
    let others = [
        String::new(),
        "fbr_".to_owned(),
        text[4..].to_owned(),
        text[..89].to_owned(),
        format!("{text}A"),
        format!("{text}="),
        format!(" {text}"),
        text.replace("fbr_", "FBR_"),
        format!("fbr_{}", "é".repeat(43)),
        format!("fbr_{}+", &text[4..89]),
        // The last character has four bits too many: a second spelling of the same bytes.
        format!("fbr_{}B", "A".repeat(85)),
    ];
    for other in others {
        assert!(other.parse::<RefreshToken>().is_err(), "{other}");
    }
}

#[test]
fn each_token_is_exchanged_once_for_one_that_nobody_could_foresee() {
    let (mut family, first) = begin();
    let mut one_more = family.clone();
    let second = exchange(&mut family, &first, NOW);
    assert_eq!(judge(&family, &second, NOW), Verdict::Current);
    assert_ne!(exchange(&mut one_more, &first, NOW), second, "another nonce, another successor");
    let stale = family.rotation(&first, NOW, &LIFETIMES);
    assert!(!family.rotate(&stale), "somebody was faster");
}

#[test]
fn within_the_grace_the_same_spent_token_gives_the_same_successor() {
    let (mut family, first) = begin();
    let second = exchange(&mut family, &first, NOW);
    for now in [NOW, NOW + 9] {
        let Verdict::Again(nonce) = judge(&family, &first, now) else { panic!("at {now}") };
        assert_eq!(family.successor(&first, &nonce), second);
    }
    // A clock of another node that is behind.
    assert!(matches!(judge(&family, &first, NOW - 5), Verdict::Again(_)));
    assert_eq!(judge(&family, &first, NOW + 10), Verdict::Reused);
    assert_eq!(family.judge(&first, NOW, 0), Verdict::Reused, "no grace at all");
}

#[test]
fn the_grace_is_over_when_the_successor_is_spent() {
    let (mut family, first) = begin();
    let second = exchange(&mut family, &first, NOW);
    let third = exchange(&mut family, &second, NOW);
    assert_eq!(judge(&family, &first, NOW), Verdict::Reused);
    assert!(matches!(judge(&family, &second, NOW), Verdict::Again(_)));
    assert_eq!(judge(&family, &third, NOW), Verdict::Current);
}

#[test]
fn the_nonce_is_forgotten_behind_the_grace_and_not_before() {
    let (mut family, first) = begin();
    exchange(&mut family, &first, NOW);
    family.forget_nonce(NOW + 9, LIFETIMES.grace);
    assert!(matches!(judge(&family, &first, NOW + 9), Verdict::Again(_)));
    family.forget_nonce(NOW + 10, LIFETIMES.grace);
    assert!(family.spent.is_some_and(|spent| spent.nonce.is_none()));
    // A node whose clock is behind cannot give the successor any more. That is a reuse, too.
    assert_eq!(judge(&family, &first, NOW + 9), Verdict::Reused);
}

#[test]
fn a_spent_token_is_known_however_old_it_is() {
    let (mut family, first) = begin();
    let mut token = first.clone();
    for _ in 0..1_000 {
        token = exchange(&mut family, &token, NOW);
    }
    assert_eq!(judge(&family, &first, NOW), Verdict::Reused);
    assert_eq!(judge(&family, &token, NOW), Verdict::Current);
}

#[test]
fn a_family_ends_when_it_is_idle_and_in_any_case() {
    let (mut family, mut token) = begin();
    assert_eq!(judge(&family, &token, NOW + 99), Verdict::Current);
    assert_eq!(judge(&family, &token, NOW + 100), Verdict::Ended);
    for now in (NOW..NOW + 1_000).step_by(50) {
        token = exchange(&mut family, &token, now);
    }
    assert_eq!((family.expires_at, family.ends_at), (NOW + 1_000, NOW + 1_000));
    assert_eq!(judge(&family, &token, NOW + 999), Verdict::Current);
    assert_eq!(judge(&family, &token, NOW + 1_000), Verdict::Ended);
}

#[test]
fn what_was_never_given_out_ends_nothing() {
    let (family, token) = begin();
    let (other, others) = begin();
    assert_eq!(judge(&family, &others, NOW), Verdict::Forged);
    // The name of the family with another's secret and seal, and every bit of the token turned.
    let lent = RefreshToken { family: family.id, ..others };
    assert_eq!(judge(&family, &lent, NOW), Verdict::Forged);
    assert_eq!(judge(&other, &lent, NOW), Verdict::Forged);
    let text = URL_SAFE_NO_PAD.decode(&token.expose()[4..]).expect("base64url");
    for bit in 0..8 * TOKEN_BYTES {
        let mut bytes = text.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let forged = format!("fbr_{}", URL_SAFE_NO_PAD.encode(bytes)).parse().expect("well-formed");
        assert_eq!(judge(&family, &forged, NOW), Verdict::Forged, "bit {bit}");
    }
}

#[test]
fn what_the_store_has_opens_nothing() {
    let (mut family, first) = begin();
    let second = exchange(&mut family, &first, NOW);
    let spent = family.spent.expect("one is spent");
    let nonce = spent.nonce.expect("there is grace");
    // All that a reader of the store can try: each value it has in the place of the secret, sealed as it should be.
    for secret in [*family.current.bytes(), *spent.hash.bytes(), nonce, family.seal_key] {
        let made = RefreshToken::sealed(family.id, secret, &family.seal_key);
        assert_ne!(judge(&family, &made, NOW), Verdict::Current);
        assert_ne!(family.successor(&made, &nonce), second);
    }
}

#[test]
fn nothing_secret_is_shown() {
    let (mut family, first) = begin();
    exchange(&mut family, &first, NOW);
    let shown = format!("{family:?} {first:?} {:?}", family.judge(&first, NOW, 10));
    assert_eq!(
        shown,
        format!("Family({0} of ada at demo-cli until {1}) RefreshToken({0}, ***) Again", family.id, NOW + 100)
    );
}
