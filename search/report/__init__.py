"""Reports on searches as one HTML page: :func:`write_report`."""

from genotools.search.report.writing import write_report

__all__ = ["write_report"]
