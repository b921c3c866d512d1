"""A file as people have them, for tests that onboard it."""

import random


def loans(n: int = 600) -> str:
    """Loans as CSV: whether they are paid back hangs on income and purpose."""
    generator = random.Random(5)
    lines = ["Loan no.,income,Purpose of loan,select,paid back?,rate in %"]
    for i in range(n):
        income, purpose = generator.randint(10, 90), generator.choice(["car", "it's for fun", "house"])
        paid = "no" if generator.random() < 0.5 * (income < 40) + 0.2 * (purpose == "car") else "yes"
        rate = 12 - income / 10 + generator.gauss(0, 1)
        lines.append(
            f"L{i:04},{income},{purpose},{generator.choice(['?', 'a', 'b'])},{paid},{max(rate, 0):.2f}"
        )
    return "\n".join(lines) + "\n"
