# The steps themselves are in .ci/run, which is also what CI runs.

STEPS := test race test386 wine tidy format vet fix lint planted cross model fuzz api

.PHONY: check fmt $(STEPS)

# Everything that CI checks: do this before a commit.
check:
	@.ci/run check

# One step: make race, make lint. FUZZTIME=600 make fuzz gives each fuzz target ten
# minutes rather than seconds.
$(STEPS):
	@.ci/run $@

# Write the files as the format and fix steps want them.
fmt:
	GOWORK=off go tool -modfile=tools/go.mod gofumpt -w .
	go fix work
