package main

// Who may open, resume and evict.
var registryFaults = []fault{
	{
		name: "registry/any-secret", file: "internal/session/registry.go", tests: ofRegistry,
		old:    `case !same(e.secret, h.Secret):`,
		bad:    `case h.Secret.IsZero():`,
		breaks: "who knows a session ID takes the session over",
	},
	{
		name: "registry/same-link-again", file: "internal/session/registry.go", tests: ofRegistry,
		old:    `case h.Link <= e.link:`,
		bad:    `case h.Link < e.link:`,
		breaks: "a repeated Hello throws out the link that it made",
	},
	{
		name: "registry/any-identity", file: "internal/session/registry.go", tests: ofRegistry,
		old:    `case e.identity != identity:`,
		bad:    `case e.identity != "" && identity == "":`,
		breaks: "one client resumes the session of another",
	},
	{
		name: "registry/lost-opens-anew", file: "internal/session/registry.go", tests: ofRegistry,
		old:    `case !h.Seen.IsZero():`,
		bad:    `case h.Seen == h.Session:`,
		breaks: "a lost session begins again as if it were whole",
	},
	{
		name: "registry/other-opening", file: "internal/session/registry.go", tests: ofRegistry,
		old:    `case !h.Seen.IsZero() && h.Seen != e.opening:`,
		bad:    `case !h.Seen.IsZero() && h.Seen == e.secret:`,
		breaks: "a Hello that was delayed resumes a session that was opened anew",
	},
	{
		name: "registry/tombstone-of-other", file: "internal/session/registry.go", tests: ofRegistry,
		old:    `if same(t.secret, h.Secret) && (h.Seen.IsZero() || h.Seen == t.opening) {`,
		bad:    `if same(t.secret, h.Secret) {`,
		breaks: "a tombstone settles the receipts of another opening",
	},
	{
		name: "registry/park-by-old-link", file: "internal/session/registry.go", tests: ofRegistry,
		old:    `if e == nil || e.link != link || e.parked {`,
		bad:    `if e == nil || e.parked {`,
		breaks: "a session with a link is parked, and may be evicted",
	},
	{
		name: "registry/memory-never-back", file: "internal/session/registry.go", tests: ofRegistry,
		old:    `r.mem -= e.load.Bytes`,
		bad:    `_ = e.load.Bytes`,
		breaks: "after a while every parked session is evicted at once",
	},
	{
		name: "registry/pending-first", file: "internal/session/registry.go", tests: ofRegistry,
		old:    `return !a.load.Pending`,
		bad:    `return a.load.Pending`,
		breaks: "sessions with undelivered messages are evicted first",
	},
	{
		name: "registry/linked-expire", file: "internal/session/registry.go", tests: ofRegistry,
		old:    `if e.parked && now.Sub(e.since) >= r.bounds.Keep {`,
		bad:    `if now.Sub(e.since) >= r.bounds.Keep {`,
		breaks: "sessions with a link run out",
	},
	{
		name: "registry/one-tombstone-more", file: "internal/session/registry.go", tests: ofRegistry,
		old:    `for len(r.tombList) > r.bounds.Tombstones {`,
		bad:    `for len(r.tombList) > r.bounds.Tombstones+1 {`,
		breaks: "tombstones exceed their bound",
	},
	{
		name: "registry/stale-is-current", file: "internal/session/registry.go", tests: ofRegistry,
		old:    `return e != nil && e.link == link`,
		bad:    `return e != nil`,
		breaks: "two links believe that they carry one session",
	},
}
