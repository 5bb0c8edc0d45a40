import socket

from mape_k.demo.stack import claim_port, free_port


def test_two_demos_never_choose_the_same_port():
    first, claim = claim_port(28_001)
    with claim:
        second, other = claim_port(first)
        other.close()

    assert second > first


def test_a_port_on_which_somebody_listens_is_passed_over():
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        taken = somebody.getsockname()[1]
        port, claim = claim_port(taken)
        claim.close()

    assert port > taken


def test_a_claim_ends_with_its_demo():
    first, claim = claim_port(28_301)
    claim.close()
    again, claim = claim_port(first)
    claim.close()

    assert again == first


def test_any_free_port_can_be_had():
    assert free_port() > 1023
