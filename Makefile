# Everything one does with Cloakroom's source. `make` alone says what there is.
#   STORE=sqlite|mysql|redis   where `make up` keeps sessions (default sqlite)
#   HANDLER=cloakroom|files    who keeps them; files shows the trouble that Cloakroom ends
SHELL := /bin/bash
STORE ?= sqlite
HANDLER ?= cloakroom
TESTBED := $(or $(CARGO_TARGET_DIR),target)/release/cloakroom-testbed

.PHONY: help build up down status test check check-long bench

help:
	@echo 'make build              the command and the PHP extension, in target/release/'
	@echo 'make up [STORE=mysql]   WordPress on two application servers, on this machine alone'
	@echo '                        STORE=sqlite|mysql|redis; HANDLER=files shows what happens without Cloakroom;'
	@echo '                        CLOAKROOM_HTTP_PORT=8095 for another port'
	@echo 'make status             what of it runs'
	@echo 'make down               ends all of it'
	@echo 'make test               every test, against real servers'
	@echo 'make check              format, lints, documentation, each feature alone, dependencies'
	@echo 'make check-long         minutes to hours: histories, the merge against PHP, the protocol exhaustively'
	@echo 'make bench              cost per request, beside its peers, into target/bench/'

build:
	@scripts/install-packages.sh build
	@echo 'Building; the first time takes some minutes.'
	@scripts/build.sh

up:
	@scripts/check-up.sh '$(STORE)' '$(HANDLER)'
	@scripts/install-packages.sh up
	@echo 'Building; the first time takes some minutes.'
	@if [[ '$(HANDLER)' != files ]]; then scripts/build.sh; fi
	@cargo build --release --package cloakroom-testbed
	@CLOAKROOM_SO='$(or $(CARGO_TARGET_DIR),$(CURDIR)/target)/release/cloakroom.so' $(TESTBED) up --store '$(STORE)' --handler '$(HANDLER)'

# What was started can be ended although the source does not build at the moment.
status down:
	@[[ -x $(TESTBED) ]] || cargo build --release --quiet --package cloakroom-testbed
	@$(TESTBED) $@

test:
	@scripts/test.sh

check:
	@scripts/check.sh

check-long:
	@scripts/install-packages.sh test
	@scripts/check-long.sh

bench:
	@scripts/install-packages.sh bench
	@scripts/build.sh
	@scripts/bench.sh
