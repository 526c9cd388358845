<?xml version="1.0"?>
<a><?php session_start(); ?></a>
<? session_id(); ?>
