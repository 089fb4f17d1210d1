# What people type. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help

SWIFT ?= swift
PREFIX ?= /usr/local
ROUNDS ?= 200
SEEDS ?= 10000
INPUTS ?= 20000
COPIES ?= 20
# Worlds come and go by the thousand; giving their memory back to the kernel each time would cost a quarter of the time.
TORTURE := MALLOC_TRIM_THRESHOLD_=1073741824 MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TOP_PAD_=67108864 \
	.build/release/daybook-torture
PYTHON := .build/venv/bin/python
MAIL := examples/Mail
FLOW := examples/FlowControl
SOURCES := Package.swift Sources Tests $(foreach example,$(MAIL) $(FLOW),$(example)/Package.swift $(example)/Sources $(example)/Tests)

# The real Inngest SDK for Python, against the program that was just built.
SDK_TESTS := PYTHONDONTWRITEBYTECODE=1 DAYBOOK=$(abspath .build/debug/daybook) $(PYTHON) -m pytest -q -p no:cacheprovider Tests/SDK

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 16

.PHONY: system
system:
	@scripts/system-packages

$(PYTHON): $(MAIL)/Tests/requirements.txt Tests/SDK/requirements.txt
	python3 -m venv .build/venv
	$(PYTHON) -m pip install --quiet --disable-pip-version-check $(addprefix -r ,$^)
	@touch $@

.PHONY: demo
demo: system ## build the mail jobs, run them, kill them, watch them carry on
	$(SWIFT) build --package-path $(MAIL) --product mail-jobs
	scripts/demo $(MAIL)/.build/debug/mail-jobs

.PHONY: test
test: system $(PYTHON) torture-build ## all tests, from a fresh clone
	$(SWIFT) build --build-tests
	$(SWIFT) test --skip-build --skip DaybookSDKTests
	@# By themselves: their requests have real limits of time, and worlds leave no thread free to keep them.
	$(SWIFT) test --skip-build --filter DaybookSDKTests
	$(SDK_TESTS)
	DAYBOOK_PYTHON=$(abspath $(PYTHON)) $(SWIFT) test --package-path $(MAIL)
	$(SWIFT) test --package-path $(FLOW)
	$(TORTURE) simulate --seeds 1000
	$(TORTURE) sweep crash-states store-operations recovery-crashes
	$(TORTURE) sweep failing-calls corpus --stride 17
	Tests/kill.py --binary .build/debug/KillTarget --rounds 200
	Tests/hotcopy.py --binary .build/debug/KillTarget --copies 4

.PHONY: sdk
sdk: system $(PYTHON) ## the tests with the Inngest SDK for Python alone
	$(SWIFT) build --product daybook
	$(SDK_TESTS)

.PHONY: torture-build
torture-build: system
	$(SWIFT) build -c release --product daybook-torture -Xswiftc -static-stdlib

.PHONY: torture
torture: torture-build ## SEEDS worlds, all sweeps, INPUTS mutated inputs, ROUNDS kills, COPIES hot copies
	@# In pieces: a process that has played many worlds has grown.
	for first in $$(seq 1 20000 $(SEEDS)); do \
	    left=$$(( $(SEEDS) - first + 1 )); \
	    $(TORTURE) simulate --first $$first --seeds $$(( left < 20000 ? left : 20000 )) || exit 1; \
	done
	$(TORTURE) sweep
	$(TORTURE) fuzz --inputs $(INPUTS)
	$(SWIFT) build --product KillTarget
	Tests/kill.py --binary .build/debug/KillTarget --rounds $(ROUNDS)
	Tests/hotcopy.py --binary .build/debug/KillTarget --copies $(COPIES)

.PHONY: broken
broken: system ## put seven bugs in on purpose, and see how many worlds it takes to find each
	$(SWIFT) build --product daybook-torture
	.build/debug/daybook-torture broken

.PHONY: kill
kill: system ## kill a server ROUNDS times under load and check what it promised
	$(SWIFT) build --product KillTarget
	Tests/kill.py --binary .build/debug/KillTarget --rounds $(ROUNDS)

.PHONY: hotcopy
hotcopy: system ## copy the directory of a server under load COPIES times, and open every copy
	$(SWIFT) build --product KillTarget
	Tests/hotcopy.py --binary .build/debug/KillTarget --copies $(COPIES)

.PHONY: check
check: ## format and lint
	$(SWIFT) format lint --strict --recursive --configuration .swift-format $(SOURCES)

.PHONY: format
format: ## rewrite the sources in the project's format
	$(SWIFT) format --in-place --recursive --configuration .swift-format $(SOURCES)

.PHONY: release
release: system ## the static, stripped program, in .build/release/daybook
	$(SWIFT) build -c release --product daybook -Xswiftc -static-stdlib
	strip .build/release/daybook

.PHONY: bench
bench: release ## measure; JSON=FILE writes the same as one JSON object
	$(SWIFT) build -c release --product DaybookBench -Xswiftc -static-stdlib
	.build/release/DaybookBench --binary .build/release/daybook $(if $(JSON),--json $(JSON))

.PHONY: install
install: release ## the program and its completions, below PREFIX (/usr/local)
	install -D -m 755 .build/release/daybook $(DESTDIR)$(PREFIX)/bin/daybook
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	.build/release/daybook --generate-completion-script bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/daybook
	.build/release/daybook --generate-completion-script zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_daybook
	.build/release/daybook --generate-completion-script fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/daybook.fish

.PHONY: clean
clean: ## remove what was built
	rm -rf .build $(MAIL)/.build
