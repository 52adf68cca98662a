//! Tokens that somebody forged, of every kind that is known: each is refused, and says why in one word. See RFC 8725.

mod peers;

use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use firstbyte::crypto::PrivateKey;
use firstbyte::jwt::{
    Algorithm, Claims, Expected, Jwks, Malformed, Part, Refused, SigningKey, TOKEN_BYTES_MAX, VerifyingKey, verify,
};

use crate::judge::jwt::judge;
use crate::judge::mutate::mutant;

/// Mutants of one run.
const INPUTS: usize = 4_000;

/// Tokens and key sets, as `make fuzz` begins with them.
const SEEDS: [&[u8]; 4] = [
    include_bytes!("../corpus/tokens/access.token"),
    include_bytes!("../corpus/tokens/least.token"),
    include_bytes!("../corpus/tokens/set.jwks"),
    include_bytes!("../corpus/tokens/unsigned.jwt"),
];

const ISSUER: &str = "https://issuer.example/identity";

const PEMS: [(Algorithm, &[&str]); 3] = [
    (Algorithm::RS256, &["RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
    (Algorithm::ES256, &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
    (Algorithm::EdDSA, &["ed25519"]),
];

/// Keys that `openssl` made, as both sides read them; and a secret.
static KEYS: LazyLock<Vec<(Algorithm, Vec<u8>)>> = LazyLock::new(|| {
    let pem = |&(algorithm, arguments): &(Algorithm, &[&str])| {
        let made = Command::new("openssl").args(["genpkey", "-algorithm"]).args(arguments).output().expect("openssl");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        (algorithm, made.stdout)
    };
    let secret = (Algorithm::HS256, b"a secret of thirty-two bytes, say".to_vec());
    [secret].into_iter().chain(PEMS.iter().map(pem)).collect()
});

fn pem(algorithm: Algorithm) -> &'static [u8] {
    &KEYS.iter().find(|(of, _)| *of == algorithm).unwrap().1
}

fn private(algorithm: Algorithm) -> PrivateKey {
    let bytes = pem(algorithm);
    match algorithm {
        Algorithm::HS256 => PrivateKey::from_pkcs8(algorithm, bytes).unwrap(),
        _ => PrivateKey::from_pem(algorithm, std::str::from_utf8(bytes).unwrap()).unwrap(),
    }
}

fn signing(algorithm: Algorithm) -> SigningKey {
    SigningKey::from_pkcs8(algorithm, private(algorithm).to_pkcs8()).unwrap()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn expected() -> Expected<'static> {
    Expected { issuer: ISSUER, audience: "catalog", now: now(), leeway: 5 }
}

fn claims() -> Claims {
    Claims {
        iss: ISSUER.to_owned(),
        sub: "ada".to_owned(),
        aud: vec!["catalog".to_owned()],
        exp: now() + 300,
        nbf: now(),
        iat: now(),
        jti: "1".to_owned(),
        scope: "catalog:read".parse().unwrap(),
        roles: vec!["admin".to_owned()],
        client_id: None,
    }
}

/// The keys that a service has: all four, under their names.
fn keys() -> Vec<VerifyingKey> {
    Algorithm::ALL.map(|algorithm| signing(algorithm).verifying()).to_vec()
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token of any header and content, signed as `key` signs.
fn forge(header: &str, payload: impl AsRef<[u8]>, key: &PrivateKey) -> String {
    let signed = format!("{}.{}", base64(header), base64(payload));
    format!("{signed}.{}", base64(key.sign(signed.as_bytes())))
}

/// The header of a token by the key of `algorithm`, with `more` members.
fn header(algorithm: Algorithm, more: &str) -> String {
    format!(r#"{{"typ":"at+jwt","alg":"{algorithm}","kid":"{}"{more}}}"#, signing(algorithm).kid())
}

/// Every refusal, with its name and how long it took: the shortest of some.
struct Table {
    keys: Vec<VerifyingKey>,
    slowest: (Duration, &'static str),
}

impl Table {
    fn check(&mut self, attack: &'static str, token: &str, refused: impl Into<Refused>) {
        let expected = expected();
        assert_eq!(verify(token, &self.keys, &expected), Err(refused.into()), "{attack}: {token:.200}");
        let times = (0..5).map(|_| {
            let start = Instant::now();
            verify(token, &self.keys, &expected).unwrap_err();
            start.elapsed()
        });
        let time = times.min().unwrap();
        self.slowest = self.slowest.max((time, attack));
    }
}

fn table() -> Table {
    Table { keys: keys(), slowest: (Duration::ZERO, "") }
}

#[test]
fn tokens_whose_header_says_how_to_verify_them_are_refused() {
    let mut table = table();
    let payload = claims().to_json();
    let attacker = PrivateKey::generate(Algorithm::HS256).unwrap();
    for name in ["none", "None", "NONE", "nOnE", "", "null", "hs256", "HS256 ", "HS512", "ES256K", "RS1", "é"] {
        for kid in keys().iter().map(VerifyingKey::kid) {
            let header = format!(r#"{{"typ":"at+jwt","alg":"{name}","kid":"{kid}"}}"#);
            let unsigned = format!("{}.{}.", base64(&header), base64(&payload));
            table.check("alg none, or one that is none", &unsigned, Refused::Algorithm);
            table.check("alg none, signed", &forge(&header, &payload, &attacker), Refused::Algorithm);
        }
    }
    // The key of one algorithm, and a token that names another one: every pair.
    for of_key in Algorithm::ALL {
        let kid = signing(of_key).kid().to_owned();
        for other in Algorithm::ALL.into_iter().filter(|&other| other != of_key) {
            let header = format!(r#"{{"typ":"at+jwt","alg":"{other}","kid":"{kid}"}}"#);
            table.check("algorithms swapped", &forge(&header, &payload, &private(other)), Refused::Algorithm);
        }
    }
    // What everybody has of a public key, taken for a secret (CVE-2015-9235).
    for of_key in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let key = signing(of_key).verifying();
        let jwk = Jwks::of([&key]).to_json();
        for secret in [jwk.as_bytes(), &jwk.as_bytes()[9..jwk.len() - 2], &public_pem(of_key), &[7; 32]] {
            let secret = PrivateKey::from_pkcs8(Algorithm::HS256, secret).unwrap();
            let header = format!(r#"{{"typ":"at+jwt","alg":"HS256","kid":"{}"}}"#, key.kid());
            table.check("the public key as a secret", &forge(&header, &payload, &secret), Refused::Algorithm);
            let named = header.replace("HS256", of_key.name());
            table.check("the public key as a secret, by name", &forge(&named, &payload, &secret), Refused::Signature);
        }
    }
    assert!(table.slowest.0 < Duration::from_millis(20), "{:?}", table.slowest);
}

fn public_pem(algorithm: Algorithm) -> Vec<u8> {
    use std::io::Write;
    use std::process::Stdio;
    let mut openssl = Command::new("openssl");
    let mut child = openssl.args(["pkey", "-pubout"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(pem(algorithm)).unwrap();
    child.wait_with_output().unwrap().stdout
}

#[test]
fn tokens_whose_header_brings_something_along_are_refused() {
    let mut table = table();
    let payload = claims().to_json();
    let attacker = SigningKey::generate(Algorithm::EdDSA).unwrap();
    let attackers = PrivateKey::from_pkcs8(Algorithm::EdDSA, attacker.to_pkcs8()).unwrap();
    let jwk = Jwks::of([&attacker.verifying()]).to_json();
    let jwk = &jwk[9..jwk.len() - 2];
    for (attack, name, value) in [
        ("its own key (CVE-2018-0114)", "jwk", jwk),
        ("a set of keys elsewhere", "jku", r#""https://attacker.example/jwks.json""#),
        ("a certificate elsewhere", "x5u", r#""http://127.0.0.1:6379/""#),
        ("its own certificate", "x5c", r#"["MIIB"]"#),
        ("an extension that must be understood", "crit", r#"["exp"]"#),
        ("an extension that must be understood, none", "crit", "[]"),
        ("content that is not encoded", "b64", "false"),
        ("a bomb of compressed content", "zip", r#""DEF""#),
        ("encrypted content", "enc", r#""A256GCM""#),
        ("a token in the token", "cty", r#""JWT""#),
    ] {
        let more = format!(r#","{name}":{value}"#);
        let steering = Malformed::Steering(name);
        table.check(attack, &forge(&header(Algorithm::EdDSA, &more), &payload, &attackers), steering);
        let own = format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"{}"{more}}}"#, attacker.kid());
        table.check(attack, &forge(&own, &payload, &attackers), steering);
        // Even a key of ours cannot make us obey.
        table.check(attack, &forge(&header(Algorithm::ES256, &more), &payload, &private(Algorithm::ES256)), steering);
    }
    assert!(table.slowest.0 < Duration::from_millis(5), "{:?}", table.slowest);
}

#[test]
fn tokens_that_name_a_strange_key_are_refused() {
    let mut table = table();
    let payload = claims().to_json();
    let key = private(Algorithm::HS256);
    let mut check = |attack: &'static str, kid: &str, refused: Refused| {
        table.check(attack, &forge(&format!(r#"{{"typ":"at+jwt","alg":"HS256"{kid}}}"#), &payload, &key), refused);
    };
    let unknown = |kid: &str| Refused::UnknownKey { kid: kid.to_owned() };
    let malformed = Refused::from(Malformed::Member("kid"));
    let retired = SigningKey::generate(Algorithm::HS256).unwrap();
    check("a key that was retired", &format!(r#","kid":"{}""#, retired.kid()), unknown(retired.kid()));
    for path in ["../../../../dev/null", "/proc/self/environ", "file:///dev/null", "key.pem|id", "$(id)", "%00", "*"] {
        check("a path or a command", &format!(r#","kid":"{path}""#), unknown(path));
    }
    check("SQL without a space", r#","kid":"'/**/UNION/**/SELECT/**/'a'--""#, unknown("'/**/UNION/**/SELECT/**/'a'--"));
    for (attack, kid) in [
        ("SQL", r#","kid":"x' UNION SELECT 'secret' --""#),
        ("NUL", r#","kid":"a\u0000b""#),
        ("a line break, for the log", r#","kid":"a\r\nlevel=info msg=ok""#),
        ("an escape, for the terminal", r#","kid":"\u001b[2J""#),
        ("a quote, for the header", r#","kid":"a\"b""#),
        ("letters that look alike", r#","kid":"kеy""#),
        ("empty", r#","kid":"""#),
        ("no text", r#","kid":1"#),
        ("null", r#","kid":null"#),
        ("a list", r#","kid":["a"]"#),
        ("none", ""),
        ("too long", &format!(r#","kid":"{}""#, "a".repeat(129))),
    ] {
        check(attack, kid, malformed.clone());
    }
    let twice = format!(r#","kid":"other","kid":"{}""#, signing(Algorithm::HS256).kid());
    check("two names", &twice, Malformed::Json(Part::Header).into());
    assert!(table.slowest.0 < Duration::from_millis(5), "{:?}", table.slowest);
}

#[test]
fn signatures_that_are_none_are_refused() {
    let mut table = table();
    let payload = claims().to_json();
    for algorithm in Algorithm::ALL {
        let token = forge(&header(algorithm, ""), &payload, &private(algorithm));
        assert!(verify(&token, &table.keys, &expected()).is_ok(), "{algorithm}");
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let mut with = |attack, signature: &[u8]| {
            table.check(attack, &format!("{signed}.{}", base64(signature)), Refused::Signature);
        };
        with("empty", b"");
        // CVE-2022-21449: r = s = 0, and its neighbours.
        with("psychic: zeros", &vec![0; signature.len()]);
        with("psychic: the order of the curve", &[P256_ORDER, P256_ORDER].concat());
        with("psychic: r is zero", &[&[0; 32][..], &signature[32.min(signature.len())..]].concat());
        with("ones", &vec![0xff; signature.len()]);
        with("cut", &signature[..signature.len() - 1]);
        with("a byte more", &[&signature[..], b"\0"].concat());
        with("a byte before", &[b"\0", &signature[..]].concat());
        with("of another message", &private(algorithm).sign(b"another message"));
        with("in DER", &der(&signature));
        let mut flipped = signature.clone();
        flipped[0] ^= 0x80;
        with("a bit flipped", &flipped);
        table.check("stripped", signed, Malformed::Parts);
        table.check("stripped, and one part less", signed.split_once('.').unwrap().0, Malformed::Parts);
        // The same signature over other claims.
        let richer = Claims { roles: vec!["admin".to_owned(), "accountant".to_owned()], ..claims() };
        let moved = format!("{}.{}.{}", base64(header(algorithm, "")), base64(richer.to_json()), base64(&signature));
        table.check("moved to other claims", &moved, Refused::Signature);
    }
    // ECDSA: with s also n - s is a signature, and no other token's: it cannot be told apart and gains nothing.
    assert!(table.slowest.0 < Duration::from_millis(20), "{:?}", table.slowest);
}

/// n of P-256 (SEC 2 2.4.2).
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7,
    0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// Two numbers of 32 bytes as ASN.1 has them.
fn der(signature: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let number: Vec<u8> = number.iter().copied().skip_while(|&byte| byte == 0).collect();
        let sign: &[u8] = if number.first().is_some_and(|&first| first >= 0x80) { &[0] } else { &[] };
        [&[2, (sign.len() + number.len()) as u8][..], sign, &number].concat()
    };
    let (r, s) = signature.split_at(signature.len() / 2);
    let both = [integer(&r[..r.len().min(32)]), integer(&s[..s.len().min(32)])].concat();
    [&[0x30, both.len() as u8][..], &both].concat()
}

#[test]
fn tokens_that_are_spelled_otherwise_are_refused() {
    let mut table = table();
    let key = Algorithm::HS256;
    let token = forge(&header(key, ""), claims().to_json(), &private(key));
    let parts: Vec<&str> = token.split('.').collect();
    let [head, body, signature] = parts[..] else { panic!("three parts") };
    let encoding = |part| Refused::from(Malformed::Encoding(part));
    table.check("padded", &format!("{head}.{body}.{}", URL_SAFE.encode([1; 32])), encoding(Part::Signature));
    table.check("padded header", &format!("{}=.{body}.{signature}", head), encoding(Part::Header));
    table.check("white space", &format!("{head}.{body}.{signature}\n"), encoding(Part::Signature));
    table.check("white space before", &format!(" {token}"), encoding(Part::Header));
    table.check("NUL behind", &format!("{token}\0"), encoding(Part::Signature));
    table.check("another letter", &format!("{head}.{body}é.{signature}"), encoding(Part::Claims));
    table.check(
        "the other alphabet",
        &format!("{head}.{body}.{}", STANDARD.encode([0xfb; 33])),
        encoding(Part::Signature),
    );
    // 32 bytes leave two bits of the last letter: 15 other spellings of the signature in four.
    let last = signature.chars().last().unwrap();
    let same = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['-', '_']).filter(|&other| other != last);
    let spelled = |other| format!("{}{other}", &token[..token.len() - 1]);
    let refusals: Vec<_> = same.map(|other| verify(&spelled(other), &table.keys, &expected()).unwrap_err()).collect();
    assert_eq!(refusals.iter().filter(|refused| **refused == encoding(Part::Signature)).count(), 48);
    assert!(refusals.iter().all(|refused| [encoding(Part::Signature), Refused::Signature].contains(refused)));
    for none in
        ["", ".", "..", "...", "a", "a.b", &format!("{token}."), &format!("{token}.{signature}"), &format!(".{token}")]
    {
        let refused = verify(none, &table.keys, &expected()).unwrap_err();
        assert!(matches!(refused, Refused::Malformed(_)), "{none}: {refused:?}");
    }
    let json = format!(r#"{{"payload":"{body}","protected":"{head}","signature":"{signature}"}}"#);
    table.check("JSON serialization", &json, Malformed::Parts);
    for cut in 0..token.len() {
        assert!(verify(&token[..cut], &table.keys, &expected()).is_err(), "cut at {cut}");
    }
    table.check("a megabyte", &format!("{head}.{}.{signature}", "A".repeat(1 << 20)), Refused::TooLong);
    table.check("a megabyte of dots", &".".repeat(1 << 20), Refused::TooLong);
    table.check("as many dots as fit", &".".repeat(TOKEN_BYTES_MAX), Malformed::Parts);
    assert!(table.slowest.0 < Duration::from_millis(5), "{:?}", table.slowest);
}

#[test]
fn headers_and_claims_that_can_be_read_in_two_ways_are_refused() {
    let mut table = table();
    let key = private(Algorithm::HS256);
    let good = String::from_utf8(claims().to_json()).unwrap();
    let head = header(Algorithm::HS256, "");
    let json = |part| Refused::from(Malformed::Json(part));
    let deep = format!("{{\"a\":{}", "[".repeat(5_000));
    for none in ["", "null", "[]", "\"\"", "1", "{", "{}}", "{\"alg\":\"HS256\",\"alg\":\"none\"}", &deep] {
        table.check("no header", &forge(none, &good, &key), json(Part::Header));
    }
    let twice = head.replacen("\"alg\"", "\"alg\":\"none\",\"alg\"", 1);
    table.check("two algorithms", &forge(&twice, &good, &key), json(Part::Header));
    let hidden = head.replacen("\"alg\"", "\"\\u0061lg\":\"none\",\"alg\"", 1);
    table.check("two algorithms, one spelled in escapes", &forge(&hidden, &good, &key), json(Part::Header));
    for wrong in ["{}", r#"{"alg":null}"#, r#"{"alg":["HS256"]}"#, r#"{"alg":{"HS256":1}}"#] {
        table.check("no algorithm", &forge(wrong, &good, &key), Malformed::Member("alg"));
    }
    let mut check =
        |attack, payload: &[u8], refused: Refused| table.check(attack, &forge(&head, payload, &key), refused);
    for none in ["", "null", "[]", "{", &good[1..], &format!("{good}{good}"), &deep] {
        check("no claims", none.as_bytes(), json(Part::Claims));
    }
    check("invalid UTF-8", &[&good.as_bytes()[..10], b"\xff", &good.as_bytes()[10..]].concat(), json(Part::Claims));
    check("half a pair", good.replace("\"ada\"", r#""\ud800""#).as_bytes(), json(Part::Claims));
    let member = |name| Refused::from(Malformed::Member(name));
    let value = |name: &str| {
        let value: serde_json::Value = serde_json::from_str(&good).unwrap();
        format!("\"{name}\":{}", value[name])
    };
    for name in ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "scope", "roles"] {
        let own = value(name);
        assert!(good.contains(&own), "{own}");
        check("a claim twice", good.replace(&own, &format!("{own},{own}")).as_bytes(), json(Part::Claims));
        for wrong in ["null", "true", "{}", "1.5", "-1"] {
            check(
                "a claim of another type",
                good.replace(&own, &format!("\"{name}\":{wrong}")).as_bytes(),
                member(name),
            );
        }
    }
    for name in ["exp", "nbf", "iat"] {
        let own = value(name);
        for wrong in [
            "\"9999999999\"",
            "1e9",
            "9999999999.0",
            "18446744073709551615",
            "18446744073709551616",
            "253402300800",
            "[1]",
        ] {
            check("a date that is none", good.replace(&own, &format!("\"{name}\":{wrong}")).as_bytes(), member(name));
        }
        check("a date beyond numbers", good.replace(&own, &format!("\"{name}\":1e999")).as_bytes(), json(Part::Claims));
        check("a date with a zero", good.replace(&own, &format!("\"{name}\":01")).as_bytes(), json(Part::Claims));
    }
    for (name, wrong) in [
        ("aud", "[]"),
        ("aud", "[\"catalog\",1]"),
        ("aud", "\"\""),
        ("aud", "[[\"catalog\"]]"),
        ("sub", "\"\""),
        ("sub", "\"a\\u0000\""),
        ("sub", "\"a\\r\\nb\""),
        ("sub", &format!("\"{}\"", "a".repeat(257))),
        ("scope", "[\"catalog:read\"]"),
        ("scope", "\"a  b\""),
        ("roles", "\"admin\""),
        ("roles", "[1]"),
        ("roles", &format!("[{}]", vec!["\"a\""; 33].join(","))),
        ("iss", "[\"https://issuer.example/identity\"]"),
        ("jti", "\"\""),
    ] {
        check(
            "a claim of another shape",
            good.replace(&value(name), &format!("\"{name}\":{wrong}")).as_bytes(),
            member(name),
        );
    }
    for name in ["iss", "sub", "aud", "exp", "iat", "jti"] {
        check("a claim is missing", good.replace(&format!("\"{name}\""), "\"other\"").as_bytes(), member(name));
    }
    assert!(table.slowest.0 < Duration::from_millis(20), "{:?}", table.slowest);
}

#[test]
fn no_bytes_are_a_token_that_nobody_has_signed() {
    let seeds = SEEDS.map(<[u8]>::to_vec);
    let verdicts: Vec<(bool, usize)> = seeds.iter().map(|seed| judge(seed)).collect();
    assert_eq!(verdicts, [(true, 0), (true, 0), (false, 2), (false, 0)]);
    for number in 0..INPUTS {
        judge(&mutant(&seeds, number));
    }
}
