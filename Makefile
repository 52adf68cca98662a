# make help lists what there is. `make test` is what has to pass before anything is merged.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:

# Seconds that `make fuzz` gives to each target.
FUZZ_SECONDS ?= 30

# And `make soak`.
SOAK_FUZZ_SECONDS ?= 600

# Seeds that `make soak` gives to the simulation, new ones each time.
SOAK_SEEDS ?= 2000000

# Where `make autobahn` keeps the testsuite: an environment of Python of its own, outside of the tree and of the system.
AUTOBAHN_VERSION := 25.10.1
AUTOBAHN := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/firstbyte/autobahn-$(AUTOBAHN_VERSION)

# And `make schemathesis`, with what says whether a document is OpenAPI at all.
SCHEMATHESIS_VERSION := 4.32.5
OPENAPI_VALIDATOR_VERSION := 0.9.0
SCHEMATHESIS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/firstbyte/schemathesis-$(SCHEMATHESIS_VERSION)

# What the tests drive, as command:package-of-Debian; where a package has no command, a file of its.
TOOLS := curl:curl nc:netcat-openbsd python3:python3 chromium:chromium redis-server:redis-server nats-server:nats-server \
    postgres:postgresql openssl:openssl promtool:prometheus $(addprefix /usr/lib/python3/dist-packages/,jwt:python3-jwt \
    cryptography:python3-cryptography prometheus_client:python3-prometheus-client)

.PHONY: help run test tools check-fmt lint unit doc fmt conformance autobahn schemathesis bench bench-instructions peers check-peers bench-peers bench-ws soak fuzz clean

help: ## List the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

run: ## Serve at 127.0.0.1:8080; flags by ARGS="--trace"
	cargo run --release -- $(ARGS)

test: tools check-fmt lint unit doc ## Everything that has to pass; installs what is missing

tools: ## Install what the tests need and is missing, from Debian's packages
	@missing=(); PATH=$$PATH:/usr/sbin$$(printf ':%s' /usr/lib/postgresql/*/bin)
	for tool in $(TOOLS); do
	    [[ $$tool == /* && -e $${tool%%:*} ]] || command -v "$${tool%%:*}" > /dev/null || missing+=("$${tool##*:}")
	done
	if (( $${#missing[@]} == 0 )); then exit; fi
	if ! command -v apt-get > /dev/null; then
	    echo "make: missing: $${missing[*]} (names of Debian's packages); install them in the way of this system" >&2; exit 1
	fi
	as_root=(); (( EUID == 0 )) || as_root=(sudo -n)
	echo "make: installing $${missing[*]}"
	log=$$(mktemp); trap 'rm -f "$$log"' EXIT
	if ! { "$${as_root[@]}" apt-get update && "$${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
	    apt-get install -y --no-install-recommends "$${missing[@]}"; } > "$$log" 2>&1; then
	    tail "$$log" >&2
	    echo "make: cannot install them; as root: apt-get install $${missing[*]}" >&2; exit 1
	fi

check-fmt:
	cargo fmt --all --check

lint: ## Clippy, warnings are errors
	cargo clippy --workspace --all-targets -- -D warnings

unit: ## All tests, with the tools that they drive
	FIRSTBYTE_REQUIRE_TOOLS=1 cargo test --workspace

doc: ## The documentation, warnings are errors
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --package firstbyte

fmt: ## Format
	cargo fmt --all

conformance: ## Print the ledger into CONFORMANCE.md
	cargo run --quiet -- check --list --markdown > CONFORMANCE.md

# The testsuite is Python 2 code. Its version 0.8.2 names the packages that it runs on, later ones do not.
autobahn: ## Autobahn's testsuite on our WebSocket server and client (10 minutes); installs it where there is a Python 2.7
	@folder="$(AUTOBAHN)"
	if ! "$$folder/env/bin/wstest" --autobahnversion 2> /dev/null | grep -qF "$(AUTOBAHN_VERSION)"; then
	    for python in "$${PYTHON27:-}" python2.7 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/2.7*/bin/python2.7 ""; do
	        if "$$python" -m pip --version &> /dev/null; then break; fi
	    done
	    if [[ -z "$$python" ]]; then
	        echo "make: skipped: Autobahn's testsuite needs a Python 2.7 with pip, and none is here (PYTHON27=/path/to/one)"
	        exit
	    fi
	    echo "make: installing Autobahn's testsuite into $$folder"
	    mkdir -p "$$folder"
	    if ! { "$$python" -m pip install --upgrade --target "$$folder/virtualenv" "virtualenv<20.22" &&
	        PYTHONPATH="$$folder/virtualenv" "$$python" -m virtualenv --clear "$$folder/env" &&
	        "$$folder/env/bin/pip" install autobahntestsuite==0.8.2 &&
	        "$$folder/env/bin/pip" install --no-deps autobahntestsuite==$(AUTOBAHN_VERSION); } &> "$$folder/log"; then
	        tail "$$folder/log" >&2
	        echo "make: cannot install it; all that was said is in $$folder/log" >&2; exit 1
	    fi
	fi
	AUTOBAHN_PYTHON="$$folder/env/bin/python" cargo test --release --test system autobahn -- --include-ignored --nocapture

schemathesis: TOOLS := python3:python3 postgres:postgresql
schemathesis: tools ## The inventory beside its OpenAPI document, by schemathesis (10 minutes); installs it into a folder of its own
	@folder="$(SCHEMATHESIS)"
	if ! "$$folder/env/bin/schemathesis" --version 2> /dev/null | grep -qF "$(SCHEMATHESIS_VERSION)"; then
	    echo "make: installing schemathesis into $$folder"
	    mkdir -p "$$folder"
	    if ! { python3 -m venv --clear "$$folder/env" &&
	        "$$folder/env/bin/pip" install schemathesis==$(SCHEMATHESIS_VERSION) \
	            openapi-spec-validator==$(OPENAPI_VALIDATOR_VERSION); } &> "$$folder/log"; then
	        tail "$$folder/log" >&2
	        echo "make: cannot install it; all that was said is in $$folder/log (Debian has venv in python3-venv)" >&2; exit 1
	    fi
	fi
	SCHEMATHESIS_BIN="$$folder/env/bin" FIRSTBYTE_REQUIRE_TOOLS=1 \
	    cargo test --release --test system schemathesis -- --include-ignored --test-threads=1 --nocapture

bench: ## Every case beside its peer, as ratios (a minute), then criterion's history of each (three minutes)
	cargo bench --package firstbyte-benches --bench ratios
	for bench in head_parse chunked route fields encode middleware end_to_end; do
	    cargo bench --package firstbyte-benches --bench "$$bench"
	done

bench-instructions: TOOLS := valgrind:valgrind
bench-instructions: tools ## Instructions a request, and where they go: for changes too small for a clock
	CARGO_PROFILE_RELEASE_DEBUG=1 cargo run --release --package firstbyte-benches --bin instructions

peers bench-peers: TOOLS := python3:python3 setpriv:util-linux go:golang-go node:nodejs nginx:nginx-light
peers: export PATH := $(PATH):/usr/sbin
peers: tools ## Build the servers that firstbyte is compared with, and firstbyte; installs what is missing
	cargo build --release
	cargo build --release --locked --manifest-path benches/peers/rust/Cargo.toml --target-dir target/peers
	go build -o target/peers/go benches/peers/go/main.go

check-peers: peers ## Scores of `firstbyte check`, side by side
	benches/peers/run --only firstbyte,hyper,axum,actix,nginx,go,node firstbyte check {url} --get /plaintext --echo /echo

bench-peers: TOOLS += wrk:wrk valgrind:valgrind strace:strace
bench-peers: tools peers ## firstbyte beside its peers, into benches/README.md (25 minutes; QUICK=1: five); leave the machine alone
	benches/peers/measure --write $(if $(QUICK),--quick) $(ARGS)

bench-ws: TOOLS := python3:python3 setpriv:util-linux node:nodejs npm:npm valgrind:valgrind strace:strace
bench-ws: tools ## WebSockets beside those of fastwebsockets, tokio-tungstenite, actix-ws and ws, into benches/README.md (12 minutes; QUICK=1: four)
	cargo build --release
	cargo build --release --locked --manifest-path benches/peers/rust/Cargo.toml --target-dir target/peers
	mkdir -p target/peers/node && cp benches/peers/node/package*.json target/peers/node
	(cd target/peers/node && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
	benches/peers/ws --write $(if $(QUICK),--quick) $(ARGS)

soak: ## What takes minutes: full sizes in release, one after the other, with the figures of PROMISES.md; autobahn; schemathesis; the fuzzers
	FIRSTBYTE_REQUIRE_TOOLS=1 cargo test --release --test system -- --ignored --skip autobahn --skip schemathesis \
	    --test-threads=1 --nocapture
	FIRSTBYTE_FIRST_SEED=0x$$(od -An -N8 -tx8 /dev/urandom | tr -d ' ') FIRSTBYTE_SEEDS=$(SOAK_SEEDS) \
	    cargo test --release --test protocol simulation::every -- --nocapture
	$(MAKE) autobahn
	$(MAKE) schemathesis
	$(MAKE) fuzz FUZZ_SECONDS=$(SOAK_FUZZ_SECONDS)

# No sanitizer: they look for what `unsafe` does wrong, of which there is little here, and cost nine tenths of the speed.
fuzz: ## Each fuzz target for FUZZ_SECONDS, seeded from tests/corpus; installs what is missing
	cargo +nightly --version > /dev/null 2>&1 || rustup toolchain install nightly --profile minimal
	cargo fuzz --version > /dev/null 2>&1 || cargo install --locked cargo-fuzz
	for target in $$(cargo +nightly fuzz list); do
	    mkdir -p "fuzz/corpus/$$target"
	    cargo +nightly fuzz run --sanitizer none "$$target" "fuzz/corpus/$$target" tests/corpus/*/ -- \
	        -max_total_time=$(FUZZ_SECONDS) -max_len=2048 -timeout=10 -dict=fuzz/http.dict -print_final_stats=1
	done

clean: ## Remove what was built
	cargo clean
