"""By which names browsers reach a server, and by which not; IPv6 addresses are such names, too."""

import socket
import threading
import urllib.error
import urllib.request

import pytest

from fcnkit.commands import main, preview
from fcnkit.web import is_local, is_trusted, page_address, trusted_hosts


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as found:
            found.bind(("::1", 0))
        return True
    except OSError:
        return False


@pytest.mark.parametrize(
    ("host", "names", "others"),
    [
        ("127.0.0.1", ["localhost:5000", "LOCALHOST", "127.0.0.1", "[::1]:5000", "[0:0::1]"],
         ["", "evil.example", "[::2]", "::1", "[::1", "127.0.0.1.evil.example", "[::1].evil",
          "localhost:99999999", "[::1%25eth0]", "[fe80::1]", "127.0.0.1:5000/"]),
        ("fe80::1:AB", ["[fe80::1:ab]:80", "[FE80:0::1:AB]", "localhost"], ["[fe80::1]"]),
        ("[2001:db8::7]", ["[2001:db8::7]:80"], ["2001:db8::7", "[2001:db8::8]"]),
        ("fe80::1%lo", ["[fe80::1]"], ["[fe80::2]"]),
        ("m\u00fcnchen.example", ["xn--mnchen-3ya.example"], ["munchen.example"]),
        ("::", ["anything", "[::7]:3"], ["", "a b", "[x]"]),
        ("0.0.0.0", ["anything"], [""]),
    ],
)  # fmt: skip
def test_names_that_lead_here(host, names, others):
    trusted = trusted_hosts(host)
    assert [name for name in names if not is_trusted(name, trusted)] == []
    assert [name for name in others if is_trusted(name, trusted)] == []


def test_addresses_of_this_machine_alone():
    for host in ("127.0.0.1", "127.0.0.2", "localhost", "::1", "[::1]", "0:0:0:0:0:0:0:1"):
        assert is_local(host), host
    for host in ("0.0.0.0", "::", "10.0.0.1", "fe80::1", "example.com", "", "127.0.0.1.example"):
        assert not is_local(host), host


def test_addresses_of_pages():
    assert page_address("127.0.0.1", 5) == "http://127.0.0.1:5/"
    assert page_address("::1", 5) == page_address("[::1]", 5) == "http://[::1]:5/"


@pytest.mark.quick_cases(1)
@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_a_preview_at_an_address_of_ipv6_answers(scores, host):
    parser = main.command_parser(preview)
    server = preview.make_server(parser.parse_args([scores, "--host", host, "--port", "0"]))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        address = page_address(server.host, server.port)
        with urllib.request.urlopen(address) as answer:
            assert answer.status == 200
        for name in ("evil.example", f"[::2]:{server.port}"):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(urllib.request.Request(address, headers={"Host": name}))
            assert refused.value.code == 400
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
