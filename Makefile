# `make demo` shows the collection at work, `make test` tests everything that this machine can test.
#
# PYTHON=/path/to/python   the interpreter to work with (3.11 or newer; else the newest one found)
# CORE=2.21                the ansible-core release to work with (else the newest one for that Python)
# ARGS="-k nat -x"         handed to pytest by `make unit` and `make lab`

.DEFAULT_GOAL := help
.PHONY: help demo test lint format sanity unit lab golden build clean venv lab-packages

VENV := .venv$(if $(CORE),-$(CORE))
LAB_PACKAGES := ip=iproute2 nft=nftables
TEST_PACKAGES := $(LAB_PACKAGES) git=git shellcheck=shellcheck ssh-keygen=openssh-client chromium=chromium pdftotext=poppler-utils

# sbin: ordinary users of Debian do not have the firewall's commands on their path.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH):/usr/sbin:/sbin
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/.build/collections
export ANSIBLE_HOME := $(CURDIR)/.build/ansible

help:  ## print this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 16

demo: lab-packages venv  ## build the lab, apply, verify, apply again, print the matrix, clean up
	@python tests/lab/demo.py

# Without the packages an ordinary user still gets every test that does not need them.
test: venv  ## run every test that this machine can run
	@tools/debian-packages.sh $(TEST_PACKAGES) || true
	@tools/unpack-packages.sh .build/packages || true
	@python tools/run_tests.py

lint: venv  ## run the linters and the type checker
	@python tools/run_tests.py lint

format: venv  ## let ruff correct what it can
	@ruff check --fix --quiet . ; ruff format .

sanity: venv  ## run ansible-test sanity
	@python tools/sanity.py

unit: venv  ## run the unit, property and golden tests
	@python -m pytest tests/unit $(ARGS)

lab: lab-packages venv  ## run the tests that send packets
	@tools/unpack-packages.sh .build/packages || true
	@python -m pytest -n 4 --dist loadgroup tests/lab $(ARGS)

golden: venv  ## write the golden files anew
	@python -m pytest tests/unit --regenerate-golden $(ARGS)

build: venv  ## build the collection's tarball into .build
	@ansible-galaxy collection build --force --output-path .build .

clean:  ## remove everything that these targets made
	@rm -rf .build .venv .venv-* .hypothesis .mypy_cache .pytest_cache .ruff_cache .ansible

venv:
	@tools/venv.sh $(VENV)

lab-packages:
	@tools/debian-packages.sh $(LAB_PACKAGES)
