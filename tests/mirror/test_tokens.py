"""The tokens of API_TOKEN: plain ones as ever, and those with a name and a scope."""

import pytest

from mirror.tokens import Scope, Token, find, read_tokens


def test_a_plain_token_may_do_everything_and_is_named_by_its_place() -> None:
    assert read_tokens("one, two,three") == (
        Token("token", Scope.OPERATE, "one"),
        Token("token-2", Scope.OPERATE, "two"),
        Token("token-3", Scope.OPERATE, "three"),
    )


def test_plain_and_named_tokens_stand_side_by_side() -> None:
    assert read_tokens("plain,shop-app:read:abc, jane:operate:d:e") == (
        Token("token", Scope.OPERATE, "plain"),
        Token("shop-app", Scope.READ, "abc"),
        Token("jane", Scope.OPERATE, "d:e"),
    )


def test_one_name_may_have_two_tokens_of_one_scope_while_one_is_rotated() -> None:
    assert [token.name for token in read_tokens("jane:read:old,jane:read:new")] == ["jane", "jane"]


def test_a_plain_token_given_twice_is_one() -> None:
    assert read_tokens("one,one,two") == read_tokens("one,two")


@pytest.mark.parametrize("text", ["jane:write:hunter2", "hunter2 x:read:a", "a:read:hunter2,b:read:hunter2"])
def test_what_is_wrong_is_told_without_the_token(text: str) -> None:
    with pytest.raises(ValueError, match="token") as refused:
        read_tokens(text)
    assert "hunter2" not in str(refused.value)


def test_operate_includes_read_and_read_does_not_include_operate() -> None:
    reader, operator = Token("a", Scope.READ, "x"), Token("b", Scope.OPERATE, "y")
    assert [token.allows(scope) for token in (reader, operator) for scope in Scope] == [True, False, True, True]


def test_a_token_is_found_by_its_secret_alone() -> None:
    tokens = read_tokens("jane:read:abc,def")
    assert find("abc", tokens) == tokens[0]
    assert find("def", tokens) == tokens[1]
    for given in ("", "jane", "jane:read:abc", "abcdef", "abc,def", "\udcff"):
        assert find(given, tokens) is None


def test_a_token_does_not_show_its_secret() -> None:
    assert "hunter2" not in f"{read_tokens('jane:read:hunter2,hunter2x')}"
