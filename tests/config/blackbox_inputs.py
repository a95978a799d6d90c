"""Random hosts and modules that are all accepted, for tests here and for those with the real programs."""

from datetime import timedelta

from hypothesis import strategies as st

from constructs_lib.config.blackbox import HttpsModule, ProbedHost
from constructs_lib.config.secrets import SecretKey

NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
MODULES = st.builds(
    HttpsModule,
    name=NAMES,
    codes=st.lists(st.integers(200, 599), min_size=1, max_size=5).map(tuple),
    timeout=st.integers(1, 200_000_000).map(lambda count: timedelta(milliseconds=count)),
    ca=st.none() | st.builds(SecretKey, secret=NAMES, key=st.from_regex(r"[-_a-zA-Z0-9]{1,20}", fullmatch=True)),
)
PATHS = st.from_regex(r"(/([-a-zA-Z0-9_.~!$&'()*+,;=:@/?]|%[0-9a-fA-F]{2}){0,10})?", fullmatch=True)
PORTS = st.integers(1, 65535).map(":{}".format)
HOSTS = st.builds(
    ProbedHost,
    url=st.builds("https://{}.example.com{}{}".format, NAMES, st.just("") | PORTS, PATHS),
    addresses=st.sampled_from([("0.0.0.0/0",), ("2001:db8::/32",), ("2001:db8::/32", "192.0.2.0/24")]),
    module=MODULES,
)
