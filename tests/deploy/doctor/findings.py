"""What several tests say of findings."""

from __future__ import annotations

from deploy.cli.doctor.finding import Finding


def said(findings: list[Finding]) -> str:
    return "\n".join(f"{f.text} -> {f.remedy}" for f in findings)


def all_well(findings: list[Finding]) -> bool:
    return bool(findings) and all(finding.ok for finding in findings)
