//! `jsonwebtoken` and we, both ways: what it signs is verified here, what is signed here it verifies, and how long either takes.

use std::time::Instant;

use firstbyte::crypto::PublicParts;
use firstbyte::jwt::{Algorithm, Claims, Jwks, Refused, verify};
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};

use super::{ISSUER, base64, claims, expected, forge, header, keys, pem, private, signing};

#[test]
fn what_we_sign_others_verify_and_what_others_sign_we_do() {
    for algorithm in Algorithm::ALL {
        let (key, peers) = (signing(algorithm), Peers::of(algorithm));
        let mut validation = Validation::new(peers.algorithm);
        validation.set_audience(&["catalog"]);
        validation.set_issuer(&[ISSUER]);
        for number in 0..20 {
            let claims = Claims { jti: number.to_string(), ..claims() };
            let theirs = jsonwebtoken::decode::<serde_json::Value>(key.sign(&claims), &peers.decoding, &validation);
            let theirs = theirs.unwrap_or_else(|error| panic!("{algorithm}: {error}"));
            assert_eq!(
                (theirs.claims["jti"].as_str(), theirs.header.kid.as_deref()),
                (Some(&*claims.jti), Some(key.kid()))
            );
            let header = Header {
                typ: Some("at+jwt".to_owned()),
                kid: Some(key.kid().to_owned()),
                ..Header::new(peers.algorithm)
            };
            let token = jsonwebtoken::encode(&header, &claims, &peers.encoding).unwrap();
            assert_eq!(verify(&token, &keys(), &expected()), Ok(claims), "{algorithm}");
        }
        // And neither takes what was changed on the way.
        let token = key.sign(&claims());
        let changed = token.replacen('.', ".e", 1);
        assert!(jsonwebtoken::decode::<serde_json::Value>(&changed, &peers.decoding, &validation).is_err());
        assert!(verify(&changed, &keys(), &expected()).is_err());
    }
}

#[test]
fn our_key_sets_are_read_by_others() {
    let keys = keys();
    let theirs: jsonwebtoken::jwk::JwkSet = serde_json::from_str(&Jwks::of(&keys).to_json()).unwrap();
    assert_eq!(theirs.keys.len(), 3);
    for key in keys.iter().filter(|key| key.parts().is_some()) {
        let jwk = theirs.find(key.kid()).unwrap();
        assert_eq!(jwk.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256).unwrap(), key.kid());
        let decoding = DecodingKey::from_jwk(jwk).unwrap();
        let mut validation = Validation::new(Peers::of(key.algorithm()).algorithm);
        validation.set_audience(&["catalog"]);
        let token = signing(key.algorithm()).sign(&claims());
        assert!(jsonwebtoken::decode::<serde_json::Value>(&token, &decoding, &validation).is_ok(), "{key}");
    }
}

/// `cargo test --release --test protocol figures -- --ignored --nocapture`
#[test]
#[ignore = "says how fast it is, and judges nothing"]
fn figures() {
    const TIMES: u32 = 2_000;
    let time = |what: &str, once: &dyn Fn()| {
        let start = Instant::now();
        (0..TIMES).for_each(|_| once());
        println!("{what:>44}  {:>8.2} µs", start.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES));
    };
    // Made once: what is signed later than `expected` says would come from the future.
    let (claims, keys, expected) = (claims(), keys(), expected());
    for algorithm in Algorithm::ALL {
        let (key, peers) = (signing(algorithm), Peers::of(algorithm));
        let token = key.sign(&claims);
        let mut validation = Validation::new(peers.algorithm);
        validation.set_audience(&["catalog"]);
        time(&format!("{algorithm}: verified here"), &|| assert!(verify(&token, &keys, &expected).is_ok()));
        time(&format!("{algorithm}: by jsonwebtoken"), &|| {
            assert!(jsonwebtoken::decode::<serde_json::Value>(&token, &peers.decoding, &validation).is_ok());
        });
        time(&format!("{algorithm}: signed here"), &|| drop(key.sign(&claims)));
        let forged = token.replacen(".e", ".f", 1);
        assert_eq!(verify(&forged, &keys, &expected), Err(Refused::Signature));
        time(&format!("{algorithm}: other claims, refused"), &|| assert!(verify(&forged, &keys, &expected).is_err()));
    }
    let forged = forge(r#"{"typ":"at+jwt","alg":"none","kid":"a"}"#, claims.to_json(), &private(Algorithm::HS256));
    let bomb = format!("{}.{}.", base64(header(Algorithm::HS256, r#","zip":"DEF""#)), "A".repeat(8_000));
    let megabyte = "A".repeat(1 << 20);
    for (what, token) in [("alg none", &forged), ("a header that steers, 8 KiB", &bomb), ("a megabyte", &megabyte)] {
        time(&format!("{what}: refused"), &|| assert!(verify(token, &keys, &expected).is_err()));
    }
}

/// The same key in the other's words.
struct Peers {
    algorithm: jsonwebtoken::Algorithm,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl Peers {
    fn of(algorithm: Algorithm) -> Peers {
        let bytes = pem(algorithm);
        let parts = private(algorithm).public().parts();
        let decoding = match &parts {
            None => DecodingKey::from_secret(bytes),
            Some(PublicParts::Rsa { n, e }) => DecodingKey::from_rsa_raw_components(n, e),
            Some(PublicParts::P256 { x, y }) => DecodingKey::from_ec_components(&base64(x), &base64(y)).unwrap(),
            Some(PublicParts::Ed25519 { x }) => DecodingKey::from_ed_components(&base64(x)).unwrap(),
        };
        let (algorithm, encoding) = match algorithm {
            Algorithm::HS256 => (jsonwebtoken::Algorithm::HS256, EncodingKey::from_secret(bytes)),
            Algorithm::RS256 => (jsonwebtoken::Algorithm::RS256, EncodingKey::from_rsa_pem(bytes).unwrap()),
            Algorithm::ES256 => (jsonwebtoken::Algorithm::ES256, EncodingKey::from_ec_pem(bytes).unwrap()),
            Algorithm::EdDSA => (jsonwebtoken::Algorithm::EdDSA, EncodingKey::from_ed_pem(bytes).unwrap()),
        };
        Peers { algorithm, encoding, decoding }
    }
}
