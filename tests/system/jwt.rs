//! Tokens and key sets between this program and PyJWT, both ways, for all four algorithms.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use firstbyte::jwt::{Algorithm, Claims, Expected, Jwks, SigningKey, verify};
use serde_json::{Value, json};

use crate::tools;

/// Debian's Python has Debian's PyJWT; the first one in the path may have none.
const PYTHON: &str = "/usr/bin/python3";

/// Reads keys and tokens as JSON, verifies ours, and signs its own.
const SCRIPT: &str = r#"
import json, sys, jwt
told = json.load(sys.stdin)
keys = {key["kid"]: jwt.PyJWK(key, algorithm=key["alg"]).key for key in told["jwks"]["keys"]}
answers = []
for case in told["cases"]:
    key = keys.get(case["kid"], case["private"])
    options = {"algorithms": [case["alg"]], "audience": "catalog", "issuer": told["issuer"]}
    claims = jwt.decode(case["token"], key, **options)
    refused = 0
    for forged in case["forged"]:
        try:
            jwt.decode(forged, key, **options)
        except jwt.InvalidTokenError:
            refused += 1
    header = {"kid": case["kid"], "typ": "at+jwt"}
    theirs = jwt.encode(told["claims"], case["private"], algorithm=case["alg"], headers=header)
    answers.append({"claims": claims, "token": theirs, "refused": refused})
print(json.dumps(answers))
"#;

fn is_there() -> bool {
    let there = Path::new(PYTHON).exists()
        && Command::new(PYTHON)
            .args(["-c", "import jwt, cryptography"])
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success();
    let required = std::env::var_os("FIRSTBYTE_REQUIRE_TOOLS").is_some();
    assert!(there || !required, "PyJWT is missing: make tools");
    if !there {
        eprintln!(
            "NOT TESTED: PyJWT is missing, so whether it verifies our tokens is not known. `make tools` installs it"
        );
    }
    there && tools::all(&["openssl"])
}

/// A key that both sides can read: made by `openssl`, but for the secret.
fn private(algorithm: Algorithm) -> String {
    let arguments: &[&str] = match algorithm {
        Algorithm::HS256 => return "a secret of thirty-two bytes, say".to_owned(),
        Algorithm::RS256 => &["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
        Algorithm::ES256 => &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        Algorithm::EdDSA => &["ed25519"],
    };
    let made = Command::new("openssl").args(["genpkey", "-algorithm"]).args(arguments).output().unwrap();
    String::from_utf8(made.stdout).unwrap()
}

#[test]
fn pyjwt_verifies_our_tokens_and_we_verify_its_tokens() {
    if !is_there() {
        return;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = Claims {
        iss: "http://127.0.0.1:8080/identity".to_owned(),
        sub: "ada".to_owned(),
        aud: vec!["catalog".to_owned(), "billing".to_owned()],
        exp: now + 300,
        nbf: now,
        iat: now,
        jti: "é\u{1f600}".to_owned(),
        scope: "catalog:read".parse().unwrap(),
        roles: vec!["customer".to_owned()],
        client_id: Some("demo-cli".to_owned()),
    };
    let keys: Vec<(SigningKey, String)> = Algorithm::ALL
        .map(|algorithm| {
            let private = private(algorithm);
            let key = match algorithm {
                Algorithm::HS256 => SigningKey::from_pkcs8(algorithm, private.as_bytes()),
                _ => SigningKey::from_pem(algorithm, &private),
            };
            (key.unwrap(), private)
        })
        .into();
    let verifying: Vec<_> = keys.iter().map(|(key, _)| key.verifying()).collect();
    let cases: Vec<Value> = keys.iter().map(|(key, private)| {
        let token = key.sign(&claims);
        let (head, rest) = token.split_once('.').unwrap();
        let forged = [format!("{head}.{}", rest.replacen('e', "f", 1)), format!("{token}A"), token[..token.len() - 4].to_owned()];
        json!({"alg": key.algorithm().name(), "kid": key.kid(), "private": private, "token": token, "forged": forged})
    }).collect();
    let jwks: Value = serde_json::from_str(&Jwks::of(&verifying).to_json()).unwrap();
    let told = json!({"jwks": jwks, "issuer": claims.iss, "claims": &claims, "cases": cases});

    let mut python = Command::new(PYTHON);
    let mut child = python.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(told.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let answers: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answers.len(), 4);
    let expected = Expected { issuer: &claims.iss, audience: "billing", now, leeway: 5 };
    for (answer, (key, _)) in answers.iter().zip(&keys) {
        assert_eq!(answer["claims"], serde_json::to_value(&claims).unwrap(), "{}", key.algorithm());
        assert_eq!(answer["refused"], 3, "{}", key.algorithm());
        assert_eq!(
            verify(answer["token"].as_str().unwrap(), &verifying, &expected),
            Ok(claims.clone()),
            "{}",
            key.algorithm()
        );
    }
}
