"""Galleries in object stores and on SFTP servers, by way of fsspec's drivers."""
