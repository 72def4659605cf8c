# SPDX-License-Identifier: MIT
# The page: static files in $(O)/web. npm runs only when package-lock.json changed; otherwise nothing needs the network.
WEB_SRC := $(wildcard web/*.html web/*.ts web/*.json web/public/* web/src/* web/src/*/*)
EXTRA += $(O)/web/index.html

.PHONY: web
web: $(O)/web/index.html  ## build the page only

web/node_modules/.stamp: web/package-lock.json
	cd web && npm ci --no-audit --no-fund --loglevel=error
	@touch $@
$(O)/web/index.html: web/node_modules/.stamp $(WEB_SRC)
	cd web && node_modules/.bin/tsc && node_modules/.bin/vite build --outDir $(abspath $(O)/web) --logLevel warn
