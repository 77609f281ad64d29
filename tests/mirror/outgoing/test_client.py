"""Which addresses outgoing webhooks may reach, and how an endpoint's URL is read."""

import pytest

from mirror.outgoing.client import is_private_literal, is_public
from mirror.parsing import webhook_url


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1"),
        *("0.0.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1"),
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::", "::127.0.0.1"),
        *("255.255.255.255", "192.0.2.1", "198.18.0.1"),
    ],
)
def test_what_is_not_in_the_public_internet_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_what_is_in_the_public_internet_is_public(address: str) -> None:
    assert is_public(address)


def test_a_number_in_a_url_is_looked_at_before_anything_is_sent() -> None:
    assert is_private_literal("https://10.0.0.1:8443/hook")
    assert not is_private_literal("https://example.com/hook")


@pytest.mark.parametrize("url", ["https://example.com", "http://example.com:8080/a?b=c"])
def test_an_address_of_http_is_taken(url: str) -> None:
    assert webhook_url(url) == url


@pytest.mark.parametrize("url", ["example.com", "https://", "https://a b.com", "https://example.com:x", "mailto:a@b"])
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must be a"):
        webhook_url(url)
