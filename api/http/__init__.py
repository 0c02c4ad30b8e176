"""Requests and answers: strict reading, refusals, pages of lists, keys against doing twice."""
