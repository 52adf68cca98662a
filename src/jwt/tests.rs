//! What is signed is verified and says what it said; the examples of the RFCs hold; a time, a type and an audience that
//! are wrong are refused. Forged tokens are those of `tests/protocol/jwt.rs`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::crypto::PublicKey;

const NOW: u64 = 1_700_000_000;

const EXPECTED: Expected<'_> =
    Expected { issuer: "https://issuer.example/identity", audience: "catalog", now: NOW, leeway: 5 };

fn claims() -> Claims {
    Claims {
        iss: EXPECTED.issuer.to_owned(),
        sub: "ada".to_owned(),
        aud: vec!["catalog".to_owned()],
        exp: NOW + 300,
        nbf: NOW,
        iat: NOW,
        jti: "1".to_owned(),
        scope: "catalog:read catalog:write".parse().unwrap(),
        roles: vec!["admin".to_owned()],
        client_id: Some("demo-cli".to_owned()),
    }
}

#[test]
fn what_is_signed_is_verified() {
    for algorithm in [Algorithm::HS256, Algorithm::ES256, Algorithm::EdDSA] {
        let key = SigningKey::generate(algorithm).unwrap();
        let token = key.sign(&claims());
        assert_eq!(verify(&token, &key.verifying(), &EXPECTED), Ok(claims()), "{algorithm}");
        let other = SigningKey::generate(algorithm).unwrap();
        let refused = Err(Refused::UnknownKey { kid: key.kid().to_owned() });
        assert_eq!(verify(&token, &other.verifying(), &EXPECTED), refused, "{algorithm}");
        let again = SigningKey::from_pkcs8(algorithm, key.to_pkcs8()).unwrap();
        assert_eq!(again.kid(), key.kid(), "a key keeps its name");
        assert_eq!(verify(&token, &[again.verifying()][..], &EXPECTED), Ok(claims()), "{algorithm}");
    }
}

/// Under the right name, of the right algorithm, of the right length: and by somebody else.
#[test]
fn what_another_key_has_signed_under_the_name_of_ours_is_refused() {
    let rsa = || {
        let arguments = ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
        let made = std::process::Command::new("openssl").args(arguments).output().expect("openssl");
        SigningKey::from_pem(Algorithm::RS256, &String::from_utf8(made.stdout).unwrap()).unwrap()
    };
    for algorithm in Algorithm::ALL {
        let key = || SigningKey::generate(algorithm).unwrap_or_else(|_| rsa());
        let (ours, theirs) = (key(), key());
        let header = format!(r#"{{"alg":"{algorithm}","kid":"{}","typ":"at+jwt"}}"#, ours.kid());
        let verified = |key| verify(&jws::sign(key, &header, &claims().to_json()), &ours.verifying(), &EXPECTED);
        assert_eq!(verified(&ours), Ok(claims()), "{algorithm}");
        assert_eq!(verified(&theirs), Err(Refused::Signature), "{algorithm}");
    }
}

#[test]
#[should_panic(expected = "clocks differ by minutes at most")]
fn a_leeway_of_hours_is_seen_at_the_first_token_even_if_it_is_none() {
    let key = SigningKey::generate(Algorithm::HS256).unwrap();
    let _ = verify("", &key.verifying(), &Expected { leeway: 3600, ..EXPECTED });
}

/// A token as the RFC has it, its lines joined, and the key; whether the key has signed it.
fn check_example(token: &str, key: PublicKey, payload: &str) {
    let key = VerifyingKey::new("example", key);
    let jws = Jws::parse(token).unwrap();
    assert_eq!((jws.kid(), jws.payload(), jws.verify(&key)), (None, payload.as_bytes(), Ok(())));
    assert_eq!(verify(token, &key, &EXPECTED), Err(Refused::Type), "of no use as an access token");
    let last = if token.ends_with('A') { 'Q' } else { 'A' };
    let changed = format!("{}{last}", &token[..token.len() - 1]);
    let refused = Jws::parse(&changed).map(|jws| jws.verify(&key));
    assert!(!matches!(refused, Ok(Ok(()))), "{changed}");
}

fn public_key(members: &str) -> PublicKey {
    let jwks = Jwks::parse(format!(r#"{{"keys":[{{"kid":"a",{members}}}]}}"#).as_bytes()).unwrap();
    PublicKey::from_parts(&jwks.keys()[0].parts().unwrap()).unwrap()
}

/// The payload of RFC 7515 A.1 to A.3 and of RFC 7519 3.1.
const JOE: &str = "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";
const JOE_PART: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

#[test]
fn the_examples_of_the_rfcs_hold() {
    // RFC 7515 A.1, RFC 7519 3.1: HS256.
    let secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let key = PublicKey::of_secret(&URL_SAFE_NO_PAD.decode(secret).unwrap()).unwrap();
    let head = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9";
    check_example(&format!("{head}.{JOE_PART}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), key, JOE);

    // RFC 7515 A.2: RS256.
    let n = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2l\
             ZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2\
             R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDT\
             W9gb54h4FRWyuXpoQ";
    let signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdb\
                     F9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOL\
                     n6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrB\
                     p0igcN_IoypGlUPQGe77Rw";
    let key = public_key(&format!(r#""kty":"RSA","n":"{n}","e":"AQAB""#));
    check_example(&format!("eyJhbGciOiJSUzI1NiJ9.{JOE_PART}.{signature}"), key, JOE);

    // RFC 7515 A.3: ES256.
    let key = public_key(
        r#""kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#,
    );
    let signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    check_example(&format!("eyJhbGciOiJFUzI1NiJ9.{JOE_PART}.{signature}"), key, JOE);

    // RFC 8037 A.4: EdDSA. What is signed there is no JSON.
    let key = public_key(r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#);
    let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let token = format!("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.{signature}");
    check_example(&token, key, "Example of Ed25519 signing");

    // RFC 7519 6.1, RFC 7515 A.5: unsecured, and never taken for anything.
    let key = SigningKey::generate(Algorithm::HS256).unwrap().verifying();
    let unsecured = format!("eyJhbGciOiJub25lIn0.{JOE_PART}.");
    assert_eq!(Jws::parse(&unsecured).unwrap().verify(&key), Err(Refused::Algorithm));
    // RFC 7519 A.2: encrypted, five parts.
    assert_eq!(Jws::parse("eyJhbGciOiJSU0ExXzUifQ.a.b.c.d").err(), Some(Malformed::Parts.into()));
}

#[test]
fn a_token_holds_from_its_beginning_to_its_expiry() {
    let key = SigningKey::generate(Algorithm::HS256).unwrap();
    let check = |(iat, nbf, exp): (u64, u64, u64), expected: Option<Refused>| {
        let token = key.sign(&Claims { iat, nbf, exp, ..claims() });
        assert_eq!(verify(&token, &key.verifying(), &EXPECTED).err(), expected, "{iat} {nbf} {exp}");
    };
    check((NOW, NOW, NOW + 1), None);
    check((NOW - 100, NOW - 100, NOW), None);
    check((NOW - 100, NOW - 100, NOW - 4), None);
    check((NOW - 100, NOW - 100, NOW - 5), Some(Refused::Expired));
    check((NOW - 100, NOW - 100, 0), Some(Refused::Expired));
    check((NOW + 5, NOW + 5, NOW + 100), None);
    check((NOW + 6, NOW, NOW + 100), Some(Refused::NotYet));
    check((NOW, NOW + 6, NOW + 100), Some(Refused::NotYet));
    check((NOW, NOW, NOW + LIFETIME_SECONDS_MAX), None);
    check((NOW, NOW, NOW + LIFETIME_SECONDS_MAX + 1), Some(Refused::Lifetime));
    let forever = Expected { now: u64::MAX, ..EXPECTED };
    assert_eq!(verify(&key.sign(&claims()), &key.verifying(), &forever).err(), Some(Refused::Expired));
    let beginning = Expected { now: 0, ..EXPECTED };
    assert_eq!(verify(&key.sign(&claims()), &key.verifying(), &beginning).err(), Some(Refused::NotYet));
}

#[test]
fn a_token_is_for_whom_it_names_and_of_whom_it_says() {
    let key = SigningKey::generate(Algorithm::HS256).unwrap();
    let check = |claims: Claims, expected: Option<Refused>| {
        assert_eq!(verify(&key.sign(&claims), &key.verifying(), &EXPECTED).err(), expected, "{claims:?}");
    };
    let audiences = |names: &[&str]| Claims { aud: names.iter().map(|&name| name.to_owned()).collect(), ..claims() };
    check(audiences(&["billing", "catalog"]), None);
    for other in ["billing", "Catalog", "catalog ", "catalog2", "cat", "https://catalog"] {
        check(audiences(&[other]), Some(Refused::Audience));
    }
    let issuer = |iss: &str| Claims { iss: iss.to_owned(), ..claims() };
    for other in ["https://issuer.example/identity/", "https://issuer.example", "HTTPS://issuer.example/identity", "x"]
    {
        check(issuer(other), Some(Refused::Issuer));
    }
}

#[test]
fn its_type_is_that_of_an_access_token() {
    let key = SigningKey::generate(Algorithm::HS256).unwrap();
    let check = |kind: &str, expected: Option<Refused>| {
        let header = format!(r#"{{"alg":"HS256","kid":"{}"{kind}}}"#, key.kid());
        let token = jws::sign(&key, &header, &claims().to_json());
        assert_eq!(verify(&token, &key.verifying(), &EXPECTED).err(), expected, "{kind}");
    };
    for kind in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
        check(&format!(r#","typ":"{kind}""#), None);
    }
    // RFC 8725 3.11: an ID token, a refresh token, a logout token or a DPoP proof is none.
    for kind in ["", "JWT", "jwt", "at", "at+jwt ", "text/at+jwt", "application/application/at+jwt", "dpop+jwt", "é"] {
        check(&format!(r#","typ":"{kind}""#), Some(Refused::Type));
    }
    check("", Some(Refused::Type));
    check(r#","typ":["at+jwt"]"#, Some(Malformed::Member("typ").into()));
}

#[test]
fn claims_come_back_as_they_went() {
    let many = Claims { aud: vec!["a".to_owned(), "b".to_owned()], ..claims() };
    let few = Claims { scope: Scopes::default(), roles: Vec::new(), client_id: None, ..claims() };
    for claims in [claims(), many, few] {
        assert_eq!(Claims::parse(&claims.to_json()), Ok(claims));
    }
    let json = r#"{"iss":"i","sub":"s","aud":"a","exp":1,"iat":1,"jti":"j","unknown":{"a":[1.5]}}"#;
    assert_eq!(Claims::parse(json.as_bytes()).map(|claims| claims.nbf), Ok(1));
}

#[test]
fn scopes_are_words_with_one_space_between_them() {
    let scopes: Scopes = "a b:c a".parse().unwrap();
    assert_eq!((scopes.to_string().as_str(), scopes.contains("b:c"), scopes.contains("b")), ("a b:c", true, false));
    assert!(scopes.is_within(&"b:c a d".parse().unwrap()) && !scopes.is_within(&"a".parse().unwrap()));
    assert!("".parse::<Scopes>().unwrap().is_empty());
    let many = vec!["a"; 33].join(" ");
    assert!(many.parse::<Scopes>().is_ok(), "one scope");
    let numbered: Vec<String> = (0..33).map(|number| number.to_string()).collect();
    for wrong in [" ", "a ", " a", "a  b", "a\tb", "a\"b", "a\\b", "é", "a\0", &"a".repeat(257), &numbered.join(" ")] {
        assert_eq!(wrong.parse::<Scopes>(), Err(NoScope), "{wrong:?}");
    }
}

#[test]
fn the_name_of_a_secret_tells_nothing_of_it() {
    let key = SigningKey::generate(Algorithm::HS256).unwrap();
    let thumbprint = format!(r#"{{"k":"{}","kty":"oct"}}"#, URL_SAFE_NO_PAD.encode(key.to_pkcs8()));
    assert_ne!(key.kid(), URL_SAFE_NO_PAD.encode(crate::crypto::sha256(thumbprint.as_bytes())));
    assert!(!format!("{key:?} {:?}", key.verifying()).contains(&URL_SAFE_NO_PAD.encode(key.to_pkcs8())));
}
